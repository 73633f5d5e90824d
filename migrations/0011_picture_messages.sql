-- Why: a reply to a picture finds the job whose settings it means, also after a restart, in an album and under
-- a picture that was sent again; and a person who deletes a job deletes its messages.

CREATE TABLE picture_message (
    platform    TEXT NOT NULL,
    chat_id     TEXT NOT NULL,
    message_id  TEXT NOT NULL,
    job         TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    idx         INTEGER,               -- NULL: the message is about all pictures of the job
    PRIMARY KEY (platform, chat_id, message_id),
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram'))
) WITHOUT ROWID, STRICT;

CREATE INDEX picture_message_of_job ON picture_message (job);
