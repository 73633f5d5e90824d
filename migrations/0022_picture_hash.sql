-- Why: a picture whose file was damaged on the disk is recognised when it is read, and not sent as if it were whole.
-- Pictures from before have no hash and are not checked; they expire.

ALTER TABLE picture ADD COLUMN sha256 TEXT NOT NULL DEFAULT ''  -- of the file; empty for pictures from before
    CONSTRAINT sha256_is_hexadecimal CHECK (sha256 = '' OR (length(sha256) = 64 AND sha256 NOT GLOB '*[^0-9a-f]*'));
