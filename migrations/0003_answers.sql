-- Why: what the desk answered to a stored event is kept until the chat has sent it. After a crash the same event
-- gets the same answer, and nothing is done twice.

ALTER TABLE inbox ADD COLUMN answer TEXT CONSTRAINT answer_is_json CHECK (answer IS NULL OR json_valid(answer));

-- The parcels on their way, which each claim counts by chat.
CREATE INDEX outbox_sending ON outbox (job) WHERE state = 'sending';
