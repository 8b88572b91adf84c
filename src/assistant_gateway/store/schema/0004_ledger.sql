-- What runs cost, who has used how much, refusals, and summaries of what a model is no longer shown.

ALTER TABLE messages ADD COLUMN refusal TEXT NOT NULL DEFAULT ''; -- said instead of an answer

ALTER TABLE runs ADD COLUMN charges TEXT NOT NULL DEFAULT '[]'; -- model, tokens in, out and cached, cost
ALTER TABLE runs ADD COLUMN cost INTEGER NOT NULL DEFAULT 0;    -- millionths of a US dollar
ALTER TABLE runs ADD COLUMN entered INTEGER NOT NULL DEFAULT 0 CHECK (entered IN (0, 1)); -- into the ledger

UPDATE runs SET charges = json_array(json_array(model, input_tokens, output_tokens, cached_tokens, 0))
WHERE input_tokens + output_tokens > 0;
UPDATE runs SET entered = 1
WHERE status NOT IN ('queued', 'in_progress', 'requires_action', 'cancelling')
   OR EXISTS (SELECT 1 FROM answers AS a WHERE a.message = runs.message);

CREATE INDEX runs_open ON runs (user_id) WHERE entered = 0 AND question IS NOT NULL;
CREATE INDEX runs_by_age ON runs (created_at);

-- Days are counted from 1970-01-01, UTC. A run that asked several models counts with the first.
CREATE TABLE ledger (
    adapter TEXT NOT NULL,
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    day INTEGER NOT NULL,
    assistant TEXT NOT NULL,
    model TEXT NOT NULL,
    runs INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (adapter, tenant, user_id, day, assistant, model)
) STRICT, WITHOUT ROWID;

CREATE INDEX ledger_by_day ON ledger (day);

-- The same for all people of a tenant together: what a tenant may use is asked for with each message.
CREATE TABLE tenant_ledger (
    adapter TEXT NOT NULL,
    tenant TEXT NOT NULL,
    day INTEGER NOT NULL,
    assistant TEXT NOT NULL,
    runs INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (adapter, tenant, day, assistant)
) STRICT, WITHOUT ROWID;

INSERT INTO ledger
SELECT m.adapter, m.tenant, r.user_id, CAST(coalesce(a.created_at, r.created_at) / 86400 AS INTEGER),
    r.assistant, r.model, count(*), sum(r.input_tokens), sum(r.output_tokens), sum(r.cached_tokens), 0
FROM runs AS r JOIN messages AS m ON m.id = r.message LEFT JOIN answers AS a ON a.message = r.message
WHERE r.entered = 1 AND r.question IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 6;
INSERT INTO tenant_ledger
SELECT adapter, tenant, day, assistant, sum(runs), sum(input_tokens), sum(output_tokens), sum(cached_tokens), 0
FROM ledger GROUP BY 1, 2, 3, 4;

-- A summary stands for the items of its thread up to a seq; it falls with any of them.
ALTER TABLE items ADD COLUMN covers INTEGER;
CREATE INDEX items_summaries ON items (thread_id, covers) WHERE covers IS NOT NULL;

DROP VIEW whole_messages;
CREATE VIEW whole_messages AS
SELECT
    m.id, m.lane_id, m.seq, m.state, m.attempts, m.failures, m.merged_into, m.thread_id, m.accepted_at,
    m.adapter, m.tenant, m.channel, m.topic, m.message_id, m.fingerprint, m.user, m.keys, m.metadata, m.reply_to,
    m.assistant, m.busy, m.tools, m.route_instructions, m.instructions, m.text,
    m.command, m.on_edit, m.revision, m.stop_reason, m.note, m.refusal,
    l.adapter AS lane_adapter, l.tenant AS lane_tenant, l.channel AS lane_channel, l.topic AS lane_topic, l.member,
    r.id AS run_id, r.thread_id AS run_thread_id, r.assistant AS run_assistant, r.status, r.attempt, r.model,
    r.input_tokens, r.output_tokens, r.cached_tokens, r.error, r.revision AS run_revision, r.charges,
    a.answer,
    (SELECT json_group_array(json_array(f.id, f.name, f.content_type, f.size))
     FROM (SELECT * FROM files WHERE message = m.id ORDER BY rowid) AS f) AS files
FROM messages AS m
JOIN lanes AS l ON l.id = m.lane_id
LEFT JOIN runs AS r ON r.message = m.id
LEFT JOIN answers AS a ON a.message = m.id;
