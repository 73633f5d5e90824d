-- name: before
-- The oldest pictures of some forms (a JSON list) of jobs that ended before a time, without those that a chat may
-- still ask for and those with which a waiting job begins. They are asked for by job.id, not by the equal picture.job,
-- so that SQLite compares the time first.
SELECT picture.* FROM picture JOIN job ON job.id = picture.job
WHERE picture.form IN (SELECT value FROM json_each(:forms))
  AND job.ended_ms < :before_ms AND job.deleted_ms IS NULL
  AND NOT EXISTS (
      SELECT 1 FROM outbox WHERE outbox.job = job.id AND outbox.state IN ('ready', 'sending', 'maybe'))
  AND NOT EXISTS (
      SELECT 1 FROM job AS waiting
      WHERE waiting.start_job = job.id AND waiting.start_index = picture.idx
        AND waiting.state IN ('queued', 'running'))
ORDER BY job.ended_ms, picture.job, picture.idx LIMIT :most;

-- name: with_earlier_names
-- Pictures whose files are not renamed yet, in the order of their names.
SELECT * FROM picture WHERE earlier_name <> '' AND earlier_name > :after ORDER BY earlier_name LIMIT :most;

-- name: of_deleted_jobs
-- The pictures of deleted jobs. CROSS JOIN keeps SQLite from reading all pictures.
SELECT picture.* FROM job CROSS JOIN picture ON picture.job = job.id WHERE job.deleted_ms IS NOT NULL ORDER BY job.id;

-- name: replace
-- The file of a picture is another one now. Nothing for a picture that was changed or deleted meanwhile, and no
-- preview for an original with which a waiting job begins.
UPDATE picture SET form = :form, sha256 = :sha256, earlier_name = ''
WHERE job = :job AND idx = :idx AND sha256 = :was_sha256 AND earlier_name = :was_name
  AND NOT (form = 'original' AND :form = 'preview' AND EXISTS (
      SELECT 1 FROM job WHERE start_job = :job AND start_index = :idx AND state IN ('queued', 'running')))
RETURNING idx;

-- name: set_form
-- What the file of a picture is. Nothing for a picture that was changed or deleted meanwhile.
UPDATE picture SET form = :form
WHERE job = :job AND idx = :idx AND sha256 = :was_sha256 AND earlier_name = :was_name;

-- name: forget
-- Deleted jobs (a JSON list) have no pictures any more.
DELETE FROM picture WHERE job IN (SELECT value FROM json_each(:jobs));

-- name: loosen
-- Perhaps no picture names these files (a JSON list of names).
INSERT INTO loose_file (name) SELECT value FROM json_each(:names) WHERE true ON CONFLICT DO NOTHING;

-- name: settle
-- These files (a JSON list of names) are named by a picture, or gone.
DELETE FROM loose_file WHERE name IN (SELECT value FROM json_each(:names));

-- name: loose
-- All files that perhaps no picture names.
SELECT name FROM loose_file ORDER BY name;

-- name: named
-- Those of these files (a JSON list of names) that a picture names, by its content or by its earlier name.
SELECT file.value AS name FROM json_each(:names) AS file
WHERE EXISTS (
    SELECT 1 FROM picture WHERE sha256 = substr(file.value, 4, 64) AND sha256 <> '')
   OR EXISTS (SELECT 1 FROM picture WHERE earlier_name = file.value AND earlier_name <> '');
