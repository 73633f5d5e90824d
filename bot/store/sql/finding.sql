-- name: unindexed
-- The oldest jobs whose words are not in the search yet.
SELECT accepted_order, person, typed, triggers, loras FROM job
WHERE accepted_order > coalesce((SELECT rowid FROM job_search ORDER BY rowid DESC LIMIT 1), 0)
ORDER BY accepted_order LIMIT :limit;

-- name: add_words
-- The words of jobs: a JSON list of [accepted_order, who, words, pinyin]; without those deleted since they were read.
INSERT INTO job_search (rowid, who, words, pinyin)
SELECT value ->> 0, value ->> 1, iif(deleted_ms IS NULL, value ->> 2, ''), iif(deleted_ms IS NULL, value ->> 3, '')
FROM json_each(:jobs) JOIN job ON accepted_order = value ->> 0;

-- name: delete_words
-- The words of a job that nobody may find any more.
DELETE FROM job_search WHERE rowid = (SELECT accepted_order FROM job WHERE id = :job);

-- name: forget_favourites
-- A deleted job is nobody's favourite.
DELETE FROM favourite WHERE job = :job;

-- name: earlier_people
-- Under whose names the search has a person's jobs, besides their own.
SELECT was FROM earlier_person WHERE person = :person;

-- name: newest
-- One page of a person's jobs, newest first, of the newest ``most``; in a chat that others read only its open ones.
-- With ``form`` only the jobs, except private ones, with pictures that ``platform`` has as such.
SELECT * FROM job
WHERE person = :person AND deleted_ms IS NULL
  AND accepted_order > coalesce((SELECT accepted_order FROM job WHERE person = :person
                                 ORDER BY accepted_order DESC LIMIT 1 OFFSET :most), 0)
  AND (:only_open = 0 OR (private = 0 AND platform = :platform AND chat_id = :chat_id))
  AND (:form = '' OR (private = 0 AND EXISTS (
      SELECT 1 FROM picture_file WHERE job = id AND picture_file.platform = :platform AND form = :form)))
ORDER BY accepted_order DESC LIMIT :limit OFFSET :offset;

-- name: matching
-- As newest, of the newest jobs whose words match.
SELECT job.* FROM (SELECT rowid FROM job_search WHERE job_search MATCH :match ORDER BY rowid DESC LIMIT :most) AS hit
JOIN job ON job.accepted_order = hit.rowid
WHERE job.person = :person AND job.deleted_ms IS NULL
  AND (:only_open = 0 OR (private = 0 AND platform = :platform AND chat_id = :chat_id))
  AND (:only_favourites = 0 OR job.id IN (SELECT job FROM favourite WHERE favourite.person = :person))
  AND (:form = '' OR (private = 0 AND EXISTS (
      SELECT 1 FROM picture_file WHERE job = id AND picture_file.platform = :platform AND form = :form)))
ORDER BY job.accepted_order DESC LIMIT :limit OFFSET :offset;

-- name: favourites
-- As newest, of the jobs with favourite pictures.
SELECT * FROM job
WHERE person = :person AND deleted_ms IS NULL AND id IN (SELECT job FROM favourite WHERE favourite.person = :person)
  AND (:only_open = 0 OR (private = 0 AND platform = :platform AND chat_id = :chat_id))
ORDER BY accepted_order DESC LIMIT :limit OFFSET :offset;

-- name: favourites_of
-- A person's favourite pictures of these jobs (a JSON list of job ids).
SELECT job, idx FROM favourite
WHERE person = :person AND job IN (SELECT value FROM json_each(:jobs)) ORDER BY job, idx;

-- name: add_favourite
-- A picture becomes a favourite.
INSERT INTO favourite (person, job, idx, at_ms) VALUES (:person, :job, :idx, :at_ms) ON CONFLICT DO NOTHING;

-- name: delete_favourite
-- A picture is no favourite any more.
DELETE FROM favourite WHERE person = :person AND job = :job AND idx = :idx;

-- name: give_code
-- The code of a job from before codes were made at acceptance; no row if it has one.
UPDATE job SET code = :code WHERE id = :job AND code = '' RETURNING code;

-- name: job_of_code
-- The job of a recipe code.
SELECT * FROM job WHERE code = :code AND code <> '' AND deleted_ms IS NULL;

-- name: settings_of_code
-- The settings of a code that were read from a file.
SELECT settings FROM read_settings WHERE code = :code;

-- name: add_settings
-- Keep settings under a code; the same settings keep their first code.
INSERT INTO read_settings (code, settings, created_ms) VALUES (:code, :settings, :now_ms)
ON CONFLICT (settings) DO UPDATE SET created_ms = excluded.created_ms
RETURNING code;

-- name: expire_settings
-- Forget settings that nobody has read from a file since; what was drawn with them has codes of its own.
DELETE FROM read_settings WHERE created_ms < :oldest_ms;

-- name: sent_pictures
-- A person's newest pictures that a platform has as photos, except private ones; of the matching jobs, if any.
SELECT job.id AS job, picture_file.idx, picture_file.file_id, job.typed, job.code
FROM job JOIN picture_file ON picture_file.job = job.id
WHERE job.id IN (SELECT value FROM json_each(:jobs)) AND job.private = 0
  AND picture_file.platform = :platform AND picture_file.form = :form
ORDER BY job.accepted_order DESC, picture_file.idx;
