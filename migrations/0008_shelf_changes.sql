-- Why: hosts change the shelf and its defaults from chats, so the database records who changed what, and when.

CREATE TABLE lora_change (
    id          INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    platform    TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    chat_id     TEXT NOT NULL,                  -- where the command was given
    action      TEXT NOT NULL,
    scope       TEXT NOT NULL,                  -- of a switch; empty for the other actions
    lora_before TEXT NOT NULL,
    lora_after  TEXT NOT NULL,
    sha256      TEXT NOT NULL,                  -- of the file that came, went or became the default; may be empty
    source      TEXT NOT NULL,                  -- where a file came from; may be empty
    refusal     TEXT NOT NULL,                  -- why nothing changed; empty if it changed
    duration_ms INTEGER NOT NULL,
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram')),
    CONSTRAINT action_known CHECK (action IN ('switch', 'add', 'remove', 'check', 'reload')),
    CONSTRAINT scope_known CHECK (scope IN ('', 'chat', 'bot'))
) STRICT;
CREATE INDEX lora_change_by_time ON lora_change (at_ms);
