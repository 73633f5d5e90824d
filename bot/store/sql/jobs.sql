-- name: find_by_origin
-- The job that this event made before.
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
-- The event that made the job.
INSERT INTO origin (platform, event_id, job) VALUES (:platform, :event_id, :job);

-- name: find_job
-- One job by its id.
SELECT * FROM job WHERE id = :id;

-- name: unfinished_of
-- The jobs of a person that wait or run, newest first.
SELECT * FROM job WHERE person = :person AND state IN ('queued', 'running') ORDER BY accepted_order DESC;

-- name: count_unfinished
-- How many jobs of a person wait or run.
SELECT count(*) FROM job WHERE person = :person AND state IN ('queued', 'running');

-- name: newest_of
-- A person's history.
SELECT * FROM job WHERE person = :person ORDER BY accepted_order DESC LIMIT :limit;

-- name: newest_public_in
-- A person's history in a chat that others read: without private jobs.
SELECT * FROM job WHERE person = :person AND private = 0 AND platform = :platform AND chat_id = :chat_id
ORDER BY accepted_order DESC LIMIT :limit;

-- name: in_state
-- All jobs in this state, in the order of acceptance.
SELECT * FROM job WHERE state = :state ORDER BY accepted_order;

-- name: claim
-- Start an attempt of a queued job; no row if it was cancelled meanwhile.
UPDATE job SET state = 'running', attempt = attempt + 1, lease = :lease, started_ms = coalesce(started_ms, :now_ms)
WHERE id = :id AND state = 'queued'
RETURNING *;

-- name: requeue
-- Queue a running job again; used_attempts is 0 if our own stop ended the attempt.
UPDATE job SET state = 'queued', lease = NULL, attempt = attempt - 1 + :used_attempts
WHERE id = :id AND state = 'running' AND attempt = :attempt AND lease IS :lease
RETURNING *;

-- name: requeue_leased
-- Our own stop ends all attempts of this run; none counts.
UPDATE job SET state = 'queued', lease = NULL, attempt = attempt - 1 WHERE state = 'running' AND lease = :lease;

-- name: end
-- End a job once; no row if this attempt is out of date.
UPDATE job SET state = :state, fail = :fail, ended_ms = :now_ms, lease = NULL,
               started_ms = coalesce(:started_ms, started_ms)
WHERE id = :id AND state IN ('queued', 'running') AND attempt = :attempt AND lease IS :lease
RETURNING *;

-- name: request_cancel
-- A running job must stop.
UPDATE job SET cancel_requested = 1 WHERE id = :id AND state = 'running';

-- name: set_address
-- Where the answer is or will be.
UPDATE job SET platform = :platform, chat_id = :chat_id, ref = :ref WHERE id = :id;

-- name: move_chat
-- A chat has a new id, and other messages.
UPDATE job SET chat_id = :now, ref = '' WHERE platform = :platform AND chat_id = :earlier;

-- name: add_picture
-- One picture of an ending job.
INSERT INTO picture (job, idx, seed, file_name) VALUES (:job, :idx, :seed, :file_name);

-- name: save_file_id
-- A platform's file id of a picture; a newer id replaces an older one.
INSERT INTO picture_file (job, idx, platform, form, file_id) VALUES (:job, :idx, :platform, :form, :file_id)
ON CONFLICT (job, idx, platform, form) DO UPDATE SET file_id = excluded.file_id;

-- name: file_ids
-- A platform's file ids of these jobs' pictures (a JSON list of job ids).
SELECT job, idx, file_id FROM picture_file
WHERE platform = :platform AND form = :form AND job IN (SELECT value FROM json_each(:jobs));

-- name: pictures
-- The pictures of these jobs (a JSON list of job ids).
SELECT * FROM picture WHERE job IN (SELECT value FROM json_each(:jobs)) ORDER BY job, idx;
