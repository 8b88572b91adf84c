-- The statements of the SQLite store, by name. Times are epoch seconds but for lease_until.

-- name: mark
-- Keep a word about this file (a clean end, a ping).
UPDATE meta SET value = :value WHERE key = :key;

-- name: free_lanes
-- Take back what a dead process had claimed.
UPDATE lanes SET owner = NULL, lease_until = NULL WHERE owner IS NOT NULL;

-- name: expire_runs
-- End the live runs that no unfinished message will ever continue.
UPDATE runs SET status = 'expired'
WHERE status IN ('queued', 'in_progress', 'requires_action', 'cancelling')
  AND NOT EXISTS (SELECT 1 FROM messages AS m WHERE m.id = runs.message
      AND m.state IN ('ready', 'claimed', 'answering', 'final_ready'));

-- Intake

-- name: known_key
-- The message that a dedupe key belongs to.
SELECT m.id, m.fingerprint FROM keys AS k JOIN messages AS m ON m.id = k.message
WHERE k.adapter = :adapter AND k.tenant = :tenant AND k.key = :key;

-- name: add_key
-- Keep a dedupe key; the primary key refuses a second message with it.
INSERT INTO keys (adapter, tenant, key, message, created_at) VALUES (:adapter, :tenant, :key, :message, :now);

-- name: lane
-- A lane by its words, with its current thread.
SELECT l.id, l.next_seq, l.pending, t.id FROM lanes AS l
LEFT JOIN threads AS t ON t.lane_id = l.id AND t.is_current = 1
WHERE l.adapter = :adapter AND l.tenant = :tenant AND l.channel = :channel AND l.topic = :topic AND l.member = :member;

-- name: add_lane
-- A new lane.
INSERT INTO lanes (adapter, tenant, channel, topic, member) VALUES (:adapter, :tenant, :channel, :topic, :member)
RETURNING id;

-- name: grow_lane
-- Count a new message in; where it interrupts and the lane is held, ask for a stop (a person's own stop stays).
UPDATE lanes SET next_seq = next_seq + 1, pending = pending + 1, waiting_since = coalesce(waiting_since, :now),
    stop_reason = CASE WHEN :interrupt AND owner IS NOT NULL AND stop_reason = '' THEN 'interrupted' ELSE stop_reason END
WHERE id = :lane;

-- name: add_message
-- A new message of the inbox.
INSERT INTO messages (lane_id, seq, state, thread_id, accepted_at, adapter, tenant, channel, topic, message_id,
    fingerprint, user, keys, metadata, reply_to, assistant, busy, tools, route_instructions, instructions, text,
    command, on_edit, note)
VALUES (:lane, :seq, 'ready', :thread, :now, :adapter, :tenant, :channel, :topic, :message_id,
    :fingerprint, :user, :keys, :metadata, :reply_to, :assistant, :busy, :tools, :route_instructions, :instructions, :text,
    :command, :on_edit, :note)
RETURNING id;

-- name: ahead
-- How many unfinished messages of a lane come before a seq.
SELECT count(*) FROM messages WHERE lane_id = :lane AND seq < :seq
  AND state IN ('ready', 'claimed', 'answering', 'final_ready');

-- name: message
-- A message with all that belongs to it.
SELECT * FROM whole_messages WHERE id = :id;

-- name: find_message
-- The newest message with the platform's id (an id whose keys were swept may come again).
SELECT * FROM whole_messages WHERE message_id = :message_id AND adapter = :adapter AND tenant = :tenant
ORDER BY id DESC LIMIT 1;

-- name: known_topic
-- Whether a message was accepted in a topic.
SELECT 1 FROM messages
WHERE topic = :topic AND topic <> '' AND channel = :channel AND tenant = :tenant AND adapter = :adapter LIMIT 1;

-- name: merged
-- The messages that were merged into another one, oldest first.
SELECT * FROM whole_messages WHERE merged_into = :id ORDER BY seq;

-- name: journal
-- What was kept with the answer.
SELECT journal FROM answers WHERE message = :id;

-- Work

-- name: claim_lane
-- Take the lane that has waited longest and is due and free: nobody's, or another one's whose lease ran out.
UPDATE lanes SET owner = :owner, lease_until = :until, fence = fence + 1, stop_reason = ''
WHERE id = (
    SELECT id FROM lanes
    WHERE pending > 0 AND wake_at <= :now AND (owner IS NULL OR (owner <> :owner AND lease_until <= :steady))
    ORDER BY waiting_since LIMIT 1
)
RETURNING id, fence, pending;

-- name: first_unfinished
-- The message whose turn it is in a lane.
SELECT id, seq, state, thread_id FROM messages
WHERE lane_id = :lane AND state IN ('ready', 'claimed', 'answering', 'final_ready')
ORDER BY seq LIMIT 1;

-- name: ready_behind
-- The first of a lane's ready messages from a seq on, in order.
SELECT id, thread_id, busy, command FROM messages
WHERE lane_id = :lane AND seq >= :seq AND state = 'ready'
  AND state IN ('ready', 'claimed', 'answering', 'final_ready')
ORDER BY seq LIMIT :limit;

-- name: merge_message
-- Let a ready message share the answer of a newer one.
UPDATE messages SET state = 'merged_into', merged_into = :into, finished_at = :now WHERE id = :id AND state = 'ready';

-- name: merge_followers
-- What had been merged into a message follows it.
UPDATE messages SET merged_into = :into WHERE merged_into = :id;

-- name: shrink_lane
-- Messages of the lane were merged.
UPDATE lanes SET pending = pending - :n WHERE id = :lane;

-- name: take_message
-- The message belongs to this claim now; a state that an earlier worker reached stays.
UPDATE messages SET fence = :fence, state = CASE state WHEN 'ready' THEN 'claimed' ELSE state END WHERE id = :id;

-- name: bury_message
-- A row that can't be read must not stop its lane.
UPDATE messages SET state = 'dead_letter', finished_at = :now WHERE id = :id;

-- name: recount_lane
-- Free a lane whose count and messages had come apart.
UPDATE lanes SET owner = NULL, lease_until = NULL, stop_reason = '',
    pending = (SELECT count(*) FROM messages AS m WHERE m.lane_id = lanes.id
        AND m.state IN ('ready', 'claimed', 'answering', 'final_ready')),
    waiting_since = (SELECT m.accepted_at FROM messages AS m WHERE m.lane_id = lanes.id
        AND m.state IN ('ready', 'claimed', 'answering', 'final_ready') ORDER BY m.seq LIMIT 1)
WHERE id = :lane;

-- name: next_wake
-- When the next lane that nobody holds is due.
SELECT min(wake_at) FROM lanes WHERE pending > 0 AND (owner IS NULL OR lease_until <= :steady);

-- name: renew
-- Extend an owner's leases, and hear what it is asked to stop.
UPDATE lanes SET lease_until = :until WHERE owner = :owner RETURNING id, stop_reason;

-- name: being_answered
-- The message that an assistant answers in a lane (by its words), of one run or of any.
SELECT m.lane_id, m.id FROM lanes AS l JOIN messages AS m ON m.lane_id = l.id
WHERE l.adapter = :adapter AND l.tenant = :tenant AND l.channel = :channel AND l.topic = :topic AND l.member = :member
  AND m.state IN ('claimed', 'answering', 'final_ready') AND m.state <> 'final_ready' AND m.command IN ('', 'retry')
  AND (:run = '' OR EXISTS (SELECT 1 FROM runs AS r WHERE r.message = m.id AND r.id = :run));

-- name: stop_message
-- Let an answer end early, also in the next process. The first reason stays.
UPDATE messages SET stop_reason = :reason WHERE id = :message AND stop_reason = '';

-- name: stop_lane
-- Tell whoever holds the lane to look up from its work; what waits to be tried again is tried now.
UPDATE lanes SET stop_reason = :reason, wake_at = 0 WHERE id = :lane;

-- name: held
-- The claimed message, while lane and message still carry the claim's fence.
SELECT m.state, m.thread_id, m.revision, r.id, r.revision FROM lanes AS l
JOIN messages AS m ON m.lane_id = l.id
LEFT JOIN runs AS r ON r.message = m.id
WHERE l.id = :lane AND l.owner = :owner AND l.fence = :fence AND m.id = :message AND m.fence = :fence
  AND m.state IN ('claimed', 'answering', 'final_ready');

-- name: release_message
-- Back to the lane; what an attempt has begun stays begun.
UPDATE messages SET state = CASE state WHEN 'claimed' THEN 'ready' ELSE state END, failures = failures + :failed
WHERE id = :message AND fence = :fence;

-- name: release_lane
-- Free a lane and let it wait.
UPDATE lanes SET owner = NULL, lease_until = NULL, wake_at = :wake_at WHERE id = :lane;

-- name: begin_message
-- Count an attempt.
UPDATE messages SET state = 'answering', attempts = attempts + 1
WHERE id = :message AND fence = :fence AND state IN ('claimed', 'answering');

-- name: add_run
-- Open a run; the index refuses a second live one on its thread.
INSERT INTO runs (id, message, thread_id, assistant, status, attempt, model, input_tokens, output_tokens,
    cached_tokens, error, cost, charges, created_at, question, begins_at, asked_until, revision, user_id)
VALUES (:id, :message, :thread, :assistant, :status, :attempt, :model, :input_tokens, :output_tokens,
    :cached_tokens, :error, :cost, :charges, :now, :question, :begins_at, :asked_until, :revision, :user);

-- name: retry_run
-- Another attempt at a run.
UPDATE runs SET status = 'in_progress', attempt = attempt + 1, error = NULL WHERE id = :id;

-- name: refuse_message
-- Keep what is said instead of an answer.
UPDATE messages SET refusal = :refusal WHERE id = :message;

-- name: save_run
-- Keep a run's state.
UPDATE runs SET status = :status, model = :model, input_tokens = :input_tokens, output_tokens = :output_tokens,
    cached_tokens = :cached_tokens, error = :error, cost = :cost, charges = :charges
WHERE id = :id;

-- name: end_run
-- End a run that is live although its message is final.
UPDATE runs SET status = :status
WHERE message = :message AND status IN ('queued', 'in_progress', 'requires_action', 'cancelling');

-- name: run
-- A run by its id.
SELECT id, thread_id, assistant, status, attempt, model, input_tokens, output_tokens, cached_tokens, error, revision,
    charges
FROM runs WHERE id = :id;

-- name: add_call
-- Journal a call that was asked for; one that is there is left alone.
INSERT INTO calls (run_id, revision, call_id, name, arguments, key, state, ok, output)
VALUES (:run, :revision, :call_id, :name, :arguments, :key, :state, :ok, :output)
ON CONFLICT (run_id, revision, call_id) DO NOTHING;

-- name: save_call
-- Journal a call's state; one that is done stays as it was done.
INSERT INTO calls (run_id, revision, call_id, name, arguments, key, state, ok, output)
VALUES (:run, :revision, :call_id, :name, :arguments, :key, :state, :ok, :output)
ON CONFLICT (run_id, revision, call_id)
DO UPDATE SET state = excluded.state, ok = excluded.ok, output = excluded.output
WHERE calls.state <> 'done';

-- name: calls
-- The calls of a run's newest revision, in the order they were asked for.
SELECT call_id, name, arguments, key, state, output, ok FROM calls
WHERE run_id = :run AND revision = (SELECT r.revision FROM runs AS r WHERE r.id = :run) ORDER BY rowid;

-- name: save_post
-- Journal a post; a key belongs to one message for ever.
INSERT INTO posts (key, message, run_id, part, id, text) VALUES (:key, :message, :run, :part, :id, :text)
ON CONFLICT (key) DO UPDATE SET part = excluded.part, id = excluded.id, text = excluded.text
WHERE posts.message = excluded.message;

-- name: posts
-- The posts of a run, by part.
SELECT key, part, id, text FROM posts WHERE run_id = :run ORDER BY part, rowid;

-- name: add_answer
-- Keep the complete answer.
INSERT INTO answers (message, answer, journal, created_at) VALUES (:message, :answer, :journal, :now);

-- name: conclude_message
-- The answer is complete.
UPDATE messages SET state = 'final_ready'
WHERE id = :message AND fence = :fence AND state IN ('claimed', 'answering');

-- name: finish_message
-- The message is final. The fence is in this condition too: a late worker must not end another one's attempt.
UPDATE messages SET state = :state, finished_at = :now
WHERE id = :message AND fence = :fence AND state IN ('claimed', 'answering', 'final_ready');

-- name: finish_lane
-- Free a lane for its next message.
UPDATE lanes SET owner = NULL, lease_until = NULL, stop_reason = '', wake_at = 0, pending = pending - 1,
    waiting_since = (SELECT m.accepted_at FROM messages AS m WHERE m.lane_id = :lane
        AND m.state IN ('ready', 'claimed', 'answering', 'final_ready') ORDER BY m.seq LIMIT 1)
WHERE id = :lane;

-- Turns

-- name: last_turn
-- The newest run of a thread whose turn is not forgotten.
SELECT id, question, begins_at, asked_until FROM runs
WHERE thread_id = :thread AND forgotten = 0 AND begins_at IS NOT NULL ORDER BY rowid DESC LIMIT 1;

-- name: forget_turns
-- Forget the runs of a thread whose turns begin at a seq or behind it.
UPDATE runs SET forgotten = 1 WHERE thread_id = :thread AND begins_at >= :begins_at;

-- name: forget_items
-- Forget what stands on a thread behind a seq.
UPDATE items SET forgotten = 1 WHERE thread_id = :thread AND seq > :after AND forgotten = 0 AND covers IS NULL;

-- name: forget_summaries
-- Forget the summaries that stand for something behind a seq, wherever they stand themselves.
UPDATE items SET forgotten = 1 WHERE thread_id = :thread AND covers > :after AND forgotten = 0;

-- name: forget_attempt
-- Forget the question of a run, and what the run has said.
UPDATE items SET forgotten = 1 WHERE thread_id = :thread AND forgotten = 0 AND seq > :begins_at
  AND (seq <= :asked_until OR run_id = :run) AND covers IS NULL;

-- name: forget_backend_states
-- Backends begin anew with a thread that has lost items.
DELETE FROM notes WHERE key = :thread AND scope >= 'backend:' AND scope < 'backend;';

-- name: turn
-- Where a run's turn stands on its thread, and whose question it is.
SELECT question, begins_at, asked_until FROM runs WHERE id = :id;

-- name: revise_run
-- Another attempt at a run, at a question that was changed.
UPDATE runs SET status = 'in_progress', attempt = attempt + 1, error = NULL, revision = :revision,
    begins_at = :begins_at, asked_until = :asked_until
WHERE id = :id;

-- name: message_note
-- What a command keeps for its answer.
SELECT note FROM messages WHERE id = :message;

-- name: save_message_note
-- Let a command keep something for its answer.
UPDATE messages SET note = :note WHERE id = :message;

-- name: standing
-- A lane's current thread, and how many messages are unfinished.
SELECT t.id, l.pending FROM lanes AS l JOIN threads AS t ON t.lane_id = l.id AND t.is_current = 1
WHERE l.adapter = :adapter AND l.tenant = :tenant AND l.channel = :channel AND l.topic = :topic AND l.member = :member;

-- Edits

-- name: changeable
-- A message, and how the one stands whose run answers it.
SELECT m.state, m.text, m.command, m.lane_id, t.id, t.state, t.on_edit
FROM messages AS m JOIN messages AS t ON t.id = coalesce(m.merged_into, m.id) WHERE m.id = :id;

-- name: change_text
-- The author has changed a message.
UPDATE messages SET text = :text WHERE id = :id;

-- name: revise_message
-- What answers a message begins again; it is as new as it ever was.
UPDATE messages SET revision = revision + 1, attempts = 0, failures = 0 WHERE id = :id;

-- name: take_back_message
-- A claim that has not begun is taken back: the message waits again.
UPDATE messages SET state = 'ready' WHERE id = :id AND state = 'claimed';

-- name: take_back_lane
-- The claimer has lost the lane.
UPDATE lanes SET owner = NULL, lease_until = NULL, stop_reason = '', wake_at = 0 WHERE id = :lane;

-- name: has_merged
-- Whether others share the answer of a message.
SELECT 1 FROM messages WHERE merged_into = :id LIMIT 1;

-- name: detach_files
-- A message that was deleted brings no files.
UPDATE files SET message = NULL WHERE message = :id;

-- name: withdraw_message
-- A message that waited is never answered.
UPDATE messages SET state = 'cancelled', merged_into = NULL, finished_at = :now WHERE id = :id;

-- name: leave_lane
-- One message fewer waits in a lane.
UPDATE lanes SET pending = pending - 1,
    waiting_since = (SELECT m.accepted_at FROM messages AS m WHERE m.lane_id = :lane
        AND m.state IN ('ready', 'claimed', 'answering', 'final_ready') ORDER BY m.seq LIMIT 1)
WHERE id = :lane;

-- Feedback

-- name: rate
-- Keep a person's word on an answer that was given in a channel; a missing comment leaves the earlier one.
INSERT INTO feedback (run_id, user_id, user, rating, comment, at)
SELECT r.id, :user_id, :user, :rating, coalesce(:comment, ''), :now FROM runs AS r
JOIN messages AS m ON m.id = r.message JOIN answers AS a ON a.message = m.id
WHERE r.id = :run AND r.question IS NOT NULL
  AND m.adapter = :adapter AND m.tenant = :tenant AND m.channel = :channel
ON CONFLICT (run_id, user_id) DO UPDATE SET user = excluded.user, rating = excluded.rating, at = excluded.at,
    comment = coalesce(:comment, feedback.comment);

-- name: feedback
-- The newest words on answers.
SELECT run_id, user, rating, comment, at FROM feedback
WHERE :rating = '' OR rating = :rating ORDER BY at DESC LIMIT :limit;

-- name: thread_feedback
-- All words on the answers of a thread, oldest first.
SELECT f.run_id, f.user, f.rating, f.comment, f.at FROM runs AS r JOIN feedback AS f ON f.run_id = r.id
WHERE r.thread_id = :thread ORDER BY f.at;

-- Usage

-- name: enter_run
-- A run enters the ledger, once; what answers commands does not.
UPDATE runs SET entered = 1 WHERE id = :run AND entered = 0 AND question IS NOT NULL;

-- name: is_entered
-- Whether a run is in the ledger.
SELECT entered FROM runs WHERE id = :run;

-- name: add_to_ledger
-- A run's person has used something.
INSERT INTO ledger (adapter, tenant, user_id, day, assistant, model, runs, input_tokens, output_tokens,
    cached_tokens, cost)
SELECT m.adapter, m.tenant, r.user_id, :day, r.assistant, :model, :runs, :input_tokens, :output_tokens,
    :cached_tokens, :cost
FROM runs AS r JOIN messages AS m ON m.id = r.message WHERE r.id = :run
ON CONFLICT (adapter, tenant, user_id, day, assistant, model) DO UPDATE SET
    runs = ledger.runs + excluded.runs,
    input_tokens = ledger.input_tokens + excluded.input_tokens,
    output_tokens = ledger.output_tokens + excluded.output_tokens,
    cached_tokens = ledger.cached_tokens + excluded.cached_tokens,
    cost = ledger.cost + excluded.cost;

-- name: add_to_tenant_ledger
-- So have the people of the tenant.
INSERT INTO tenant_ledger (adapter, tenant, day, assistant, runs, input_tokens, output_tokens, cached_tokens, cost)
SELECT m.adapter, m.tenant, :day, r.assistant, :runs, :input_tokens, :output_tokens, :cached_tokens, :cost
FROM runs AS r JOIN messages AS m ON m.id = r.message WHERE r.id = :run
ON CONFLICT (adapter, tenant, day, assistant) DO UPDATE SET
    runs = tenant_ledger.runs + excluded.runs,
    input_tokens = tenant_ledger.input_tokens + excluded.input_tokens,
    output_tokens = tenant_ledger.output_tokens + excluded.output_tokens,
    cached_tokens = tenant_ledger.cached_tokens + excluded.cached_tokens,
    cost = tenant_ledger.cost + excluded.cost;

-- name: users_usage
-- What some people of a tenant have used since a day.
SELECT coalesce(sum(runs), 0), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
    coalesce(sum(cached_tokens), 0), coalesce(sum(cost), 0)
FROM ledger WHERE adapter = :adapter AND tenant = :tenant AND user_id IN (SELECT value FROM json_each(:users))
  AND day >= :day AND (:assistant IS NULL OR assistant = :assistant);

-- name: tenant_usage
-- What all people of a tenant have used since a day.
SELECT coalesce(sum(runs), 0), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
    coalesce(sum(cached_tokens), 0), coalesce(sum(cost), 0)
FROM tenant_ledger WHERE adapter = :adapter AND tenant = :tenant
  AND day >= :day AND (:assistant IS NULL OR assistant = :assistant);

-- name: open_usage
-- What runs under way have kept so far, of some people of a tenant or of all.
SELECT count(*), coalesce(sum(r.input_tokens), 0), coalesce(sum(r.output_tokens), 0),
    coalesce(sum(r.cached_tokens), 0), coalesce(sum(r.cost), 0)
FROM runs AS r INDEXED BY runs_open JOIN messages AS m ON m.id = r.message
WHERE r.entered = 0 AND r.question IS NOT NULL AND r.created_at >= :since
  AND m.adapter = :adapter AND m.tenant = :tenant
  AND (:users IS NULL OR r.user_id IN (SELECT value FROM json_each(:users)))
  AND (:assistant IS NULL OR r.assistant = :assistant);

-- name: thread_usage
-- What the runs of a thread have used.
SELECT count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(cached_tokens), 0),
    coalesce(sum(cost), 0)
FROM runs WHERE thread_id = :thread AND question IS NOT NULL;

-- name: conversation_usage
-- What the runs of each conversation have used since a time.
SELECT m.adapter, m.tenant, m.channel, m.topic, count(*), sum(r.input_tokens), sum(r.output_tokens),
    sum(r.cached_tokens), sum(r.cost)
FROM runs AS r JOIN messages AS m ON m.id = r.message
WHERE r.created_at >= :since AND r.question IS NOT NULL
GROUP BY m.adapter, m.tenant, m.channel, m.topic;

-- name: ledger
-- The ledger since a day, its days summed.
SELECT adapter, tenant, user_id, assistant, model, sum(runs), sum(input_tokens), sum(output_tokens),
    sum(cached_tokens), sum(cost)
FROM ledger INDEXED BY ledger_by_day WHERE day >= :day
GROUP BY adapter, tenant, user_id, assistant, model;

-- Threads

-- name: add_thread
-- A new thread of a lane.
INSERT INTO threads (id, lane_id, is_current, created_at) VALUES (:id, :lane, :current, :created_at);

-- name: retire_thread
-- The lane's current thread becomes an old one.
UPDATE threads SET is_current = 0 WHERE lane_id = :lane AND is_current = 1;

-- name: thread
-- A thread by its id.
SELECT t.id, l.adapter, l.tenant, l.channel, l.topic, l.member, t.created_at, t.is_current, t.items
FROM threads AS t JOIN lanes AS l ON l.id = t.lane_id WHERE t.id = :id;

-- name: threads
-- The newest threads, of one adapter or of all; those of one time (a whole import may have it) by their ids.
SELECT t.id, l.adapter, l.tenant, l.channel, l.topic, l.member, t.created_at, t.is_current, t.items
FROM threads AS t JOIN lanes AS l ON l.id = t.lane_id
WHERE (t.created_at, t.id) < (:until, :id) AND (:adapter = '' OR l.adapter = :adapter)
ORDER BY t.created_at DESC, t.id DESC LIMIT :limit;

-- name: thread_length
-- How many items a thread has.
SELECT items FROM threads WHERE id = :thread;

-- name: grow_thread
-- Items were put on a thread.
UPDATE threads SET items = :items WHERE id = :thread;

-- name: add_item
-- Put an item on a thread; one that its run has put there already is left alone.
INSERT INTO items (thread_id, seq, run_id, id, created_at, body, covers)
VALUES (:thread, :seq, :run, :id, :created_at, :body, :covers)
ON CONFLICT (run_id, thread_id, id) DO NOTHING;

-- name: items
-- The newest items of a thread below a seq, newest first, with those that are forgotten or without.
SELECT id, body, seq, run_id, created_at, forgotten FROM items
WHERE thread_id = :thread AND seq < :before AND forgotten <= :forgotten
ORDER BY seq DESC LIMIT :limit;

-- name: summary
-- The summary that stands for most of a thread.
SELECT id, body, covers FROM items WHERE thread_id = :thread AND covers IS NOT NULL AND forgotten = 0
ORDER BY covers DESC, seq DESC LIMIT 1;

-- name: count_items
-- How many of some items of a thread are not forgotten.
SELECT count(*) FROM items WHERE thread_id = :thread AND seq IN (SELECT value FROM json_each(:seqs)) AND forgotten = 0;

-- name: run_items
-- The items that a run put on its thread, oldest first.
SELECT id, body, seq, run_id, created_at, forgotten FROM items WHERE run_id = :run AND forgotten = 0 ORDER BY seq;

-- Files and notes

-- name: add_blob
-- Keep bytes once.
INSERT INTO blobs (sha256, data) VALUES (:sha256, :data) ON CONFLICT (sha256) DO NOTHING;

-- name: add_file
-- Keep a file's label.
INSERT INTO files (id, sha256, name, content_type, size, message, created_at)
VALUES (:id, :sha256, :name, :content_type, :size, :message, :now) ON CONFLICT (id) DO NOTHING;

-- name: file
-- A file and its bytes.
SELECT f.id, f.name, f.content_type, f.size, b.data FROM files AS f JOIN blobs AS b ON b.sha256 = f.sha256
WHERE f.id = :id;

-- name: note
-- A small fact.
SELECT value FROM notes WHERE scope = :scope AND key = :key;

-- name: save_note
-- Keep a small fact.
INSERT INTO notes (scope, key, value) VALUES (:scope, :key, :value)
ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value;

-- name: add_note
-- Keep a small fact where there is none.
INSERT INTO notes (scope, key, value) VALUES (:scope, :key, :value) ON CONFLICT (scope, key) DO NOTHING;

-- name: notes
-- All small facts of a scope.
SELECT key, value FROM notes WHERE scope = :scope ORDER BY key;

-- name: forget_note
-- Forget a small fact.
DELETE FROM notes WHERE scope = :scope AND key = :key;

-- name: forget_budget_notes
-- Nobody asks any more what was said in a period that is long over.
DELETE FROM notes WHERE scope >= 'budget:' AND scope < :before;

-- Outbox

-- name: add_delivery
-- Keep a delivery; one with this id is left alone.
INSERT INTO deliveries (source, id, url, attempts, next_at, state, error, created_at, body)
VALUES (:source, :id, :url, :attempts, :next_at, :state, :error, :created_at, :body)
ON CONFLICT (source, id) DO NOTHING;

-- name: due
-- The pending deliveries of a source whose time has come, but for those to some hosts.
SELECT id, source, url, body, attempts, next_at, state, error, created_at FROM deliveries
WHERE source = :source AND state = 'pending' AND next_at <= :now
  AND (:besides = '[]' OR lower(substr(url, instr(url, '://') + 3,
        instr(replace(substr(url, instr(url, '://') + 3), '?', '/') || '/', '/') - 1))
    NOT IN (SELECT value FROM json_each(:besides)))
ORDER BY next_at, rowid LIMIT :limit;

-- name: next_due
-- When the next pending delivery of a source is due.
SELECT min(next_at) FROM deliveries WHERE source = :source AND state = 'pending';

-- name: record_delivery
-- Keep the outcome of a try.
UPDATE deliveries SET attempts = :attempts, next_at = :next_at, state = :state, error = :error
WHERE source = :source AND id = :id;

-- name: deliveries
-- The newest deliveries.
SELECT id, source, url, body, attempts, next_at, state, error, created_at FROM deliveries
WHERE (:source = '' OR source = :source) AND (:state = '' OR state = :state)
ORDER BY created_at DESC, rowid DESC LIMIT :limit;

-- name: fault
-- What is wrong with an endpoint.
SELECT failing_since, disabled, reason FROM endpoint_faults WHERE source = :source AND url = :url;

-- name: save_fault
-- Remember what is wrong with an endpoint.
INSERT INTO endpoint_faults (source, url, failing_since, disabled, reason)
VALUES (:source, :url, :failing_since, :disabled, :reason)
ON CONFLICT (source, url) DO UPDATE SET failing_since = excluded.failing_since, disabled = excluded.disabled,
    reason = excluded.reason;

-- name: forget_fault
-- The endpoint works.
DELETE FROM endpoint_faults WHERE source = :source AND url = :url;

-- Housekeeping

-- name: message_counts
-- How many messages are in each state.
SELECT state, n FROM message_counts;

-- name: oldest_waiting
-- When the oldest unfinished message was accepted.
SELECT min(waiting_since) FROM lanes WHERE pending > 0;

-- name: delivery_counts
-- How many deliveries are pending or dead.
SELECT state, count(*) FROM deliveries WHERE state <> 'delivered' GROUP BY state;

-- name: sweep_keys
-- Forget a part of the old dedupe keys whose message is final.
DELETE FROM keys WHERE (adapter, tenant, key) IN (
    SELECT k.adapter, k.tenant, k.key FROM keys AS k JOIN messages AS m ON m.id = k.message
    WHERE k.created_at < :before AND m.state NOT IN ('ready', 'claimed', 'answering', 'final_ready')
    ORDER BY k.created_at LIMIT :limit
);
