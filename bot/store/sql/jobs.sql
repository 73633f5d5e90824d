-- name: job_of_origin
-- The job this very message made before.
SELECT job.* FROM origin JOIN job ON job.id = origin.job
WHERE origin.platform = :platform AND origin.event_id = :event_id;

-- name: add_job
-- A new job, last in the order of acceptance.
INSERT INTO job (id, person, state, accepted_order, platform, chat_id, ref, locale, private, prompt, loras,
                 width_px, height_px, seed, count, steps, price, created_ms)
VALUES (:id, :person, 'queued', (SELECT coalesce(max(accepted_order), 0) + 1 FROM job), :platform, :chat_id,
        :ref, :locale, :private, :prompt, :loras, :width_px, :height_px, :seed, :count, :steps, :price, :created_ms)
RETURNING *;

-- name: add_origin
-- The message that made the job.
INSERT INTO origin (platform, event_id, job) VALUES (:platform, :event_id, :job);

-- name: job
-- One job by its id.
SELECT * FROM job WHERE id = :id;

-- name: unended_of_person
-- The jobs of a person that wait or run, newest first.
SELECT * FROM job WHERE person = :person AND state IN ('queued', 'running') ORDER BY accepted_order DESC;

-- name: count_unended
-- How many jobs of a person wait or run.
SELECT count(*) FROM job WHERE person = :person AND state IN ('queued', 'running');

-- name: newest_of_person
-- A person's history.
SELECT * FROM job WHERE person = :person ORDER BY accepted_order DESC LIMIT :limit;

-- name: newest_open_in
-- A person's history as far as everybody in a chat may see it.
SELECT * FROM job WHERE person = :person AND private = 0 AND platform = :platform AND chat_id = :chat_id
ORDER BY accepted_order DESC LIMIT :limit;

-- name: in_state
-- All jobs in this state, in the order of acceptance.
SELECT * FROM job WHERE state = :state ORDER BY accepted_order;

-- name: claim
-- A queued job becomes ours to draw; no row when it was cancelled meanwhile.
UPDATE job SET state = 'running', attempt = attempt + 1, lease = :lease, started_ms = coalesce(started_ms, :now_ms)
WHERE id = :id AND state = 'queued'
RETURNING *;

-- name: put_back
-- A running job waits again; used_attempts 0 when our own stop ended the try.
UPDATE job SET state = 'queued', lease = NULL, attempt = attempt - 1 + :used_attempts
WHERE id = :id AND state = 'running' AND attempt = :attempt AND lease IS :lease
RETURNING *;

-- name: put_back_leased
-- Our stop ends every try of this run; none is used up.
UPDATE job SET state = 'queued', lease = NULL, attempt = attempt - 1 WHERE state = 'running' AND lease = :lease;

-- name: end
-- A job ends, once; no row when this try is no longer the one that counts.
UPDATE job SET state = :state, fail = :fail, ended_ms = :now_ms, lease = NULL,
               started_ms = coalesce(:started_ms, started_ms)
WHERE id = :id AND state IN ('queued', 'running') AND attempt = :attempt AND lease IS :lease
RETURNING *;

-- name: request_cancel
-- A running job shall stop.
UPDATE job SET cancel_requested = 1 WHERE id = :id AND state = 'running';

-- name: readdress
-- The answer now stands, or shall go, there.
UPDATE job SET platform = :platform, chat_id = :chat_id, ref = :ref WHERE id = :id;

-- name: move_chat
-- A chat has another id now, and other messages.
UPDATE job SET chat_id = :now, ref = '' WHERE platform = :platform AND chat_id = :earlier;

-- name: add_picture
-- One picture of an ending job.
INSERT INTO picture (job, idx, seed, file_name) VALUES (:job, :idx, :seed, :file_name);

-- name: keep_file_id
-- How a platform names a picture that it has; a newer name replaces an older one.
INSERT INTO picture_file (job, idx, platform, form, file_id) VALUES (:job, :idx, :platform, :form, :file_id)
ON CONFLICT (job, idx, platform, form) DO UPDATE SET file_id = excluded.file_id;

-- name: file_ids
-- How a platform names the pictures of these jobs (a JSON list of ids).
SELECT job, idx, file_id FROM picture_file
WHERE platform = :platform AND form = :form AND job IN (SELECT value FROM json_each(:jobs));

-- name: pictures
-- The pictures of these jobs (a JSON list of ids).
SELECT * FROM picture WHERE job IN (SELECT value FROM json_each(:jobs)) ORDER BY job, idx;
