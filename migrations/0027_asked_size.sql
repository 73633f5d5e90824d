-- Why: the message with the pictures says which size was asked for, if the model draws only a near one.

ALTER TABLE job ADD COLUMN asked_size TEXT NOT NULL DEFAULT '';  -- '1000x1000', '16:9'; empty if drawn as asked
