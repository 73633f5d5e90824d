-- Why: consent is for a content, and files are renamed and copied. What hosts stated about each content that a LoRA
-- has or had is remembered, so that a restart does not open them, and a revocation concerns all of them.

CREATE TABLE lora_content (
    lora           TEXT NOT NULL,               -- the name as names are compared
    sha256         TEXT NOT NULL,
    name           TEXT NOT NULL,
    depicts_person INTEGER NOT NULL,
    consent        TEXT NOT NULL,               -- who agreed, and to what
    owner          TEXT NOT NULL,               -- platform:user_id; may be empty
    people         TEXT NOT NULL,               -- JSON list of platform:user_id
    chats          TEXT NOT NULL,               -- JSON list of platform:chat_id
    expires_ms     INTEGER,
    at_ms          INTEGER NOT NULL,            -- of the newest statement
    PRIMARY KEY (lora, sha256),
    CONSTRAINT flags CHECK (depicts_person IN (0, 1)),
    CONSTRAINT lists_are_json CHECK (json_valid(people) AND json_valid(chats))
) STRICT;

-- A verdict named the model by its name alone, and other weights may have the same name. Each LoRA is tried once more.
DROP TABLE lora_verdict;

CREATE TABLE lora_verdict (
    sha256  TEXT NOT NULL,
    weights TEXT NOT NULL,                      -- a hash that distinguishes the weights of the model
    refusal TEXT NOT NULL,                      -- the class of the refusal; empty: the picture was good
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (sha256, weights)
) WITHOUT ROWID, STRICT;
