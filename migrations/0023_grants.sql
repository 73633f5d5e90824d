-- Why: hosts grant credits and daily allowances in chats, and the ledger names who did it.

ALTER TABLE ledger ADD COLUMN decided_by TEXT;  -- platform:user_id of the host who granted; NULL: nobody did

CREATE TABLE daily_grant (
    person      INTEGER PRIMARY KEY REFERENCES person (id),
    credits     INTEGER NOT NULL,      -- a day, instead of a smaller allowance
    until_ms    INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    decided_by  TEXT NOT NULL,         -- platform:user_id
    CONSTRAINT some_credits CHECK (credits > 0)
) STRICT;
