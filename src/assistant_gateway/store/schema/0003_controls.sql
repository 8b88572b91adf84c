-- Commands, edits, forgetting and feedback.

ALTER TABLE messages ADD COLUMN command TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN on_edit TEXT NOT NULL DEFAULT 'ignore';
ALTER TABLE messages ADD COLUMN revision INTEGER NOT NULL DEFAULT 0; -- above its run's: the run begins again
ALTER TABLE messages ADD COLUMN stop_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN note TEXT NOT NULL DEFAULT '';

-- A run's turn: the items of its question have the seqs above begins_at, up to asked_until; its answer follows.
ALTER TABLE runs ADD COLUMN question INTEGER REFERENCES messages; -- none: the gateway itself answers a command
ALTER TABLE runs ADD COLUMN begins_at INTEGER;
ALTER TABLE runs ADD COLUMN asked_until INTEGER;
ALTER TABLE runs ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0 CHECK (forgotten IN (0, 1));
ALTER TABLE runs ADD COLUMN user_id TEXT NOT NULL DEFAULT '';

UPDATE runs SET
    question = message,
    user_id = coalesce((SELECT json_extract(m.user, '$.id') FROM messages AS m
        WHERE m.id = runs.message AND json_valid(m.user)), '');
UPDATE runs SET (begins_at, asked_until) = (
    SELECT min(i.seq) - 1, max(i.seq) FROM items AS i
    WHERE i.run_id = '' AND i.thread_id = runs.thread_id AND i.id IN (
        SELECT 'in_' || m.id FROM messages AS m WHERE m.id = runs.message OR m.merged_into = runs.message)
);

CREATE INDEX runs_of_thread ON runs (thread_id);

ALTER TABLE items ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0 CHECK (forgotten IN (0, 1));

-- The calls of an earlier revision stay apart, though the provider may use their ids again.
CREATE TABLE calls_by_revision (
    run_id TEXT NOT NULL REFERENCES runs,
    revision INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    name TEXT NOT NULL,
    arguments TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('requested', 'started', 'done')),
    ok INTEGER NOT NULL CHECK (ok IN (0, 1)),
    output TEXT NOT NULL,
    UNIQUE (run_id, revision, call_id)
) STRICT;

INSERT INTO calls_by_revision SELECT run_id, 0, call_id, name, arguments, key, state, ok, output FROM calls ORDER BY rowid;
DROP TABLE calls;
ALTER TABLE calls_by_revision RENAME TO calls;

CREATE TABLE feedback (
    run_id TEXT NOT NULL REFERENCES runs,
    user_id TEXT NOT NULL,
    user TEXT NOT NULL,
    rating TEXT NOT NULL CHECK (rating IN ('good', 'bad')),
    comment TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (run_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX feedback_newest ON feedback (at);

-- What a backend keeps for a thread must not outlive what it was made of.
CREATE INDEX notes_of_backends ON notes (key) WHERE scope >= 'backend:' AND scope < 'backend;';

DROP VIEW whole_messages;
CREATE VIEW whole_messages AS
SELECT
    m.id, m.lane_id, m.seq, m.state, m.attempts, m.failures, m.merged_into, m.thread_id, m.accepted_at,
    m.adapter, m.tenant, m.channel, m.topic, m.message_id, m.fingerprint, m.user, m.keys, m.metadata, m.reply_to,
    m.assistant, m.busy, m.tools, m.route_instructions, m.instructions, m.text,
    m.command, m.on_edit, m.revision, m.stop_reason, m.note,
    l.adapter AS lane_adapter, l.tenant AS lane_tenant, l.channel AS lane_channel, l.topic AS lane_topic, l.member,
    r.id AS run_id, r.thread_id AS run_thread_id, r.assistant AS run_assistant, r.status, r.attempt, r.model,
    r.input_tokens, r.output_tokens, r.cached_tokens, r.error, r.revision AS run_revision,
    a.answer,
    (SELECT json_group_array(json_array(f.id, f.name, f.content_type, f.size))
     FROM (SELECT * FROM files WHERE message = m.id ORDER BY rowid) AS f) AS files
FROM messages AS m
JOIN lanes AS l ON l.id = m.lane_id
LEFT JOIN runs AS r ON r.message = m.id
LEFT JOIN answers AS a ON a.message = m.id;
