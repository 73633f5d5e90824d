-- Why: one job draws a sheet of small pictures, and each of them has its own prompt, LoRAs, strengths and seed. Years
-- later a person may still ask for one of them at full size.

ALTER TABLE job ADD COLUMN sheet TEXT  -- JSON of bot.outcomes.Sheet; NULL for a job of pictures that differ in their seed
    CONSTRAINT sheet_is_json CHECK (sheet IS NULL OR json_valid(sheet));

CREATE INDEX job_sheets ON job (person, accepted_order) WHERE sheet IS NOT NULL;
