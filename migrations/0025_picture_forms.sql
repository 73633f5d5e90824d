-- Why: an original is replaced by a small preview after some days, so that the disk holds more pictures; /mine says so.
-- A crash between the row and the file leaves a preview without a hash, which is made again.

ALTER TABLE picture ADD COLUMN form TEXT NOT NULL DEFAULT 'original'  -- 'small': an original that needs no preview
    CONSTRAINT form_known CHECK (form IN ('original', 'small', 'preview'));
CREATE INDEX picture_originals ON picture (job) WHERE form = 'original' OR (form = 'preview' AND sha256 = '');
