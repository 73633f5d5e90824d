-- Why: a picture that a platform has already is shown again by its name there, without a second upload.

CREATE TABLE picture_file (
    job         TEXT NOT NULL,
    idx         INTEGER NOT NULL,
    platform    TEXT NOT NULL,
    form        TEXT NOT NULL,         -- what it was sent as
    file_id     TEXT NOT NULL,         -- the platform's name for it; of use to the same bot only
    PRIMARY KEY (job, idx, platform, form),
    FOREIGN KEY (job, idx) REFERENCES picture (job, idx) ON DELETE CASCADE,
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram')),
    CONSTRAINT form_known CHECK (form IN ('photo', 'document'))
) STRICT;
