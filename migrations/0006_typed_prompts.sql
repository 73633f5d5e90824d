-- Why: people see what they typed, and the trigger words of the LoRAs apart. Of earlier jobs only the text that was
-- drawn is known, so it counts as typed.

ALTER TABLE job ADD COLUMN typed TEXT NOT NULL DEFAULT '';
ALTER TABLE job ADD COLUMN triggers TEXT NOT NULL DEFAULT '[]'  -- JSON list; in front of ``typed`` in ``prompt``
    CONSTRAINT triggers_are_json CHECK (json_valid(triggers));
UPDATE job SET typed = prompt;
