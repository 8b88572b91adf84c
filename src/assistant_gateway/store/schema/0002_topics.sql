-- Whether the assistant takes part in a topic (a Slack thread) is asked for every message that is said there.

CREATE INDEX messages_by_topic ON messages (topic, channel, tenant, adapter) WHERE topic <> '';
