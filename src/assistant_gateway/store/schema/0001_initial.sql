-- The first schema. Names are the glossary's; times are epoch seconds; JSON is kept as text.
-- What must never happen is refused here, by the database, and not only by the code above it.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('clean', 'yes'), ('ping', '');

-- The messages that share one thread and are answered one after another.
CREATE TABLE lanes (
    id INTEGER PRIMARY KEY,
    adapter TEXT NOT NULL,
    tenant TEXT NOT NULL,
    channel TEXT NOT NULL,
    topic TEXT NOT NULL,
    member TEXT NOT NULL,
    next_seq INTEGER NOT NULL DEFAULT 1,
    pending INTEGER NOT NULL DEFAULT 0 CHECK (pending >= 0), -- unfinished messages
    waiting_since REAL,                                      -- when the oldest of them was accepted
    wake_at REAL NOT NULL DEFAULT 0,                         -- not to be claimed before
    owner TEXT,
    lease_until REAL,                                        -- of the owner's steady clock
    fence INTEGER NOT NULL DEFAULT 0,
    stop_reason TEXT NOT NULL DEFAULT '',
    UNIQUE (adapter, tenant, channel, topic, member)
) STRICT;

CREATE INDEX lanes_waiting ON lanes (waiting_since) WHERE pending > 0;
CREATE INDEX lanes_held ON lanes (owner) WHERE owner IS NOT NULL;

CREATE TABLE threads (
    id TEXT PRIMARY KEY,
    lane_id INTEGER NOT NULL REFERENCES lanes,
    is_current INTEGER NOT NULL CHECK (is_current IN (0, 1)),
    items INTEGER NOT NULL DEFAULT 0, -- how many; also the newest item's seq
    created_at REAL NOT NULL
) STRICT;

CREATE UNIQUE INDEX threads_current ON threads (lane_id) WHERE is_current = 1;
CREATE INDEX threads_newest ON threads (created_at);

-- The inbox.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice, not even after a deletion
    lane_id INTEGER NOT NULL REFERENCES lanes,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('ready', 'claimed', 'answering', 'final_ready', 'delivered',
        'failed_visible', 'cancelled', 'merged_into', 'dead_letter')),
    fence INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    merged_into INTEGER REFERENCES messages,
    thread_id TEXT NOT NULL REFERENCES threads,
    accepted_at REAL NOT NULL,
    finished_at REAL,
    adapter TEXT NOT NULL,
    tenant TEXT NOT NULL,
    channel TEXT NOT NULL,
    topic TEXT NOT NULL,
    message_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    user TEXT NOT NULL,
    keys TEXT NOT NULL,
    metadata TEXT NOT NULL,
    reply_to TEXT NOT NULL,
    assistant TEXT NOT NULL,
    busy TEXT NOT NULL,
    tools TEXT,
    route_instructions TEXT NOT NULL,
    instructions TEXT NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (lane_id, seq)
) STRICT;

CREATE INDEX messages_unfinished ON messages (lane_id, seq)
    WHERE state IN ('ready', 'claimed', 'answering', 'final_ready');
CREATE UNIQUE INDEX messages_one_live_per_lane ON messages (lane_id)
    WHERE state IN ('claimed', 'answering', 'final_ready');
CREATE INDEX messages_by_platform_id ON messages (message_id, adapter, tenant);
CREATE INDEX messages_merged ON messages (merged_into, seq) WHERE merged_into IS NOT NULL;

-- How many messages are in each state: counting rows would cost more with every day of operation.
CREATE TABLE message_counts (
    state TEXT PRIMARY KEY,
    n INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO message_counts (state, n) VALUES ('ready', 0), ('claimed', 0), ('answering', 0), ('final_ready', 0),
    ('delivered', 0), ('failed_visible', 0), ('cancelled', 0), ('merged_into', 0), ('dead_letter', 0);

CREATE TRIGGER messages_count_new AFTER INSERT ON messages BEGIN
    UPDATE message_counts SET n = n + 1 WHERE state = NEW.state;
END;
CREATE TRIGGER messages_count_moved AFTER UPDATE OF state ON messages WHEN OLD.state <> NEW.state BEGIN
    UPDATE message_counts SET n = n - 1 WHERE state = OLD.state;
    UPDATE message_counts SET n = n + 1 WHERE state = NEW.state;
END;
CREATE TRIGGER messages_count_gone AFTER DELETE ON messages BEGIN
    UPDATE message_counts SET n = n - 1 WHERE state = OLD.state;
END;

-- What identifies a message: `message:…` is the platform's message id, `key:…` whatever else it gives.
CREATE TABLE keys (
    adapter TEXT NOT NULL,
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    message INTEGER NOT NULL REFERENCES messages,
    created_at REAL NOT NULL,
    PRIMARY KEY (adapter, tenant, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_by_age ON keys (created_at);

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    message INTEGER NOT NULL UNIQUE REFERENCES messages,
    thread_id TEXT NOT NULL REFERENCES threads,
    assistant TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'in_progress', 'requires_action', 'cancelling',
        'cancelled', 'failed', 'completed', 'incomplete', 'expired')),
    attempt INTEGER NOT NULL,
    model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    error TEXT,
    created_at REAL NOT NULL
) STRICT;

CREATE UNIQUE INDEX runs_one_live_per_thread ON runs (thread_id)
    WHERE status IN ('queued', 'in_progress', 'requires_action', 'cancelling');

CREATE TABLE items (
    thread_id TEXT NOT NULL REFERENCES threads,
    seq INTEGER NOT NULL,
    run_id TEXT NOT NULL, -- empty outside of any run
    id TEXT NOT NULL,
    created_at REAL NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (thread_id, seq),
    UNIQUE (run_id, thread_id, id)
) STRICT;

CREATE TABLE calls (
    run_id TEXT NOT NULL REFERENCES runs,
    call_id TEXT NOT NULL,
    name TEXT NOT NULL,
    arguments TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('requested', 'started', 'done')),
    ok INTEGER NOT NULL CHECK (ok IN (0, 1)),
    output TEXT NOT NULL,
    UNIQUE (run_id, call_id)
) STRICT;

CREATE TABLE posts (
    key TEXT PRIMARY KEY,
    message INTEGER NOT NULL REFERENCES messages,
    run_id TEXT REFERENCES runs,
    part INTEGER NOT NULL,
    id TEXT NOT NULL, -- empty: intended, and perhaps sent
    text TEXT NOT NULL
) STRICT;

CREATE INDEX posts_of_run ON posts (run_id, part);

-- The complete answers, apart from the messages: a row that changes often should be small.
CREATE TABLE answers (
    message INTEGER PRIMARY KEY REFERENCES messages,
    answer TEXT NOT NULL,
    journal TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT;

CREATE TABLE blobs (
    sha256 BLOB PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

CREATE TABLE files (
    id TEXT PRIMARY KEY,
    sha256 BLOB NOT NULL REFERENCES blobs,
    name TEXT NOT NULL,
    content_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    message INTEGER REFERENCES messages, -- the message that it came with
    created_at REAL NOT NULL
) STRICT;

CREATE INDEX files_of_message ON files (message) WHERE message IS NOT NULL;

CREATE TABLE notes (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    url TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_at REAL NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    error TEXT NOT NULL,
    created_at REAL NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (source, id)
) STRICT;

CREATE INDEX deliveries_due ON deliveries (source, next_at) WHERE state = 'pending';
CREATE INDEX deliveries_by_state ON deliveries (state) WHERE state <> 'delivered';
CREATE INDEX deliveries_newest ON deliveries (created_at);

CREATE TABLE endpoint_faults (
    source TEXT NOT NULL,
    url TEXT NOT NULL,
    failing_since REAL NOT NULL,
    disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    reason TEXT NOT NULL,
    PRIMARY KEY (source, url)
) STRICT, WITHOUT ROWID;

-- A message with all that belongs to it. `rows.message` reads the columns in this order.
CREATE VIEW whole_messages AS
SELECT
    m.id, m.lane_id, m.seq, m.state, m.attempts, m.failures, m.merged_into, m.thread_id, m.accepted_at,
    m.adapter, m.tenant, m.channel, m.topic, m.message_id, m.fingerprint, m.user, m.keys, m.metadata, m.reply_to,
    m.assistant, m.busy, m.tools, m.route_instructions, m.instructions, m.text,
    l.adapter AS lane_adapter, l.tenant AS lane_tenant, l.channel AS lane_channel, l.topic AS lane_topic, l.member,
    r.id AS run_id, r.thread_id AS run_thread_id, r.assistant AS run_assistant, r.status, r.attempt, r.model,
    r.input_tokens, r.output_tokens, r.cached_tokens, r.error,
    a.answer,
    (SELECT json_group_array(json_array(f.id, f.name, f.content_type, f.size))
     FROM (SELECT * FROM files WHERE message = m.id ORDER BY rowid) AS f) AS files
FROM messages AS m
JOIN lanes AS l ON l.id = m.lane_id
LEFT JOIN runs AS r ON r.message = m.id
LEFT JOIN answers AS a ON a.message = m.id;
