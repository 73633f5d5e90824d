-- Why: what the desk answered to a stored event is kept until the chat has sent it: after a crash the same event
-- gets the same answer, and nothing is done twice. And a chat that gets another id stays allowed.

ALTER TABLE inbox ADD COLUMN answer TEXT CONSTRAINT answer_is_json CHECK (answer IS NULL OR json_valid(answer));

-- The parcels on their way, which each claim counts by chat.
CREATE INDEX outbox_sending ON outbox (job) WHERE state = 'sending';

-- A platform gave a chat another id (Telegram, when a group becomes a supergroup). What the host allowed under the
-- earlier id holds under the later one.
CREATE TABLE chat_alias (
    platform        TEXT NOT NULL,
    chat_id         TEXT NOT NULL,
    earlier_chat_id TEXT NOT NULL,
    PRIMARY KEY (platform, chat_id, earlier_chat_id),
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram'))
) STRICT;
