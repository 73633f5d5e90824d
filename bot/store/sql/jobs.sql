-- name: add_job
-- A new job, last in the order of acceptance; no row if its person has enough unfinished jobs.
INSERT INTO job (id, person, state, accepted_order, platform, chat_id, ref, locale, private, prompt, typed,
                 triggers, loras, width_px, height_px, seed, count, steps, price, created_ms,
                 asked_in, prompts, spoiler, request, asked_ref, start_job, start_index, start_strength, derivation,
                 parent_job, parent_index, code, sheet, asked_size)
SELECT :id, :person, 'queued', (SELECT coalesce(max(accepted_order), 0) + 1 FROM job), :platform, :chat_id,
       :ref, :locale, :private, :prompt, :typed, :triggers, :loras, :width_px, :height_px, :seed, :count, :steps,
       :price, :created_ms, :asked_in, :prompts, :spoiler, :request, :asked_ref, :start_job, :start_index,
       :start_strength, :derivation, :parent_job, :parent_index, :code, :sheet, :asked_size
WHERE (SELECT count(*) FROM job WHERE person = :person AND state IN ('queued', 'running')) < :most_unfinished
RETURNING *;

-- name: add_origin
-- The event that made the job.
INSERT INTO origin (platform, event_id, job) VALUES (:platform, :event_id, :job);

-- name: find_job
-- One job by its id.
SELECT * FROM job WHERE id = :id;

-- name: find_same
-- The newest job of the same request that waits, is drawn or was drawn.
SELECT * FROM job
WHERE person = :person AND request = :request AND created_ms > :since_ms AND created_ms <= :now_ms
  AND state IN ('queued', 'running', 'done') AND deleted_ms IS NULL
ORDER BY accepted_order DESC LIMIT 1;

-- name: newest_sheet_of
-- The newest sheet of a person.
SELECT * FROM job WHERE person = :person AND sheet IS NOT NULL AND deleted_ms IS NULL
ORDER BY accepted_order DESC LIMIT 1;

-- name: unfinished_of
-- The jobs of a person that wait or run, newest first.
SELECT * FROM job WHERE person = :person AND state IN ('queued', 'running') ORDER BY accepted_order DESC;

-- name: newest_of
-- A person's history.
SELECT * FROM job WHERE person = :person AND deleted_ms IS NULL ORDER BY accepted_order DESC LIMIT :limit;

-- name: newest_public_in
-- A person's history in a chat that others read: without private jobs.
SELECT * FROM job
WHERE person = :person AND private = 0 AND platform = :platform AND chat_id = :chat_id AND deleted_ms IS NULL
ORDER BY accepted_order DESC LIMIT :limit;

-- name: newest_with_loras
-- The newest jobs that have LoRAs, the oldest of them first.
SELECT * FROM (SELECT * FROM job WHERE loras <> '[]' ORDER BY accepted_order DESC LIMIT :limit)
ORDER BY accepted_order;

-- name: in_state
-- All jobs in this state, queued or running, in the order of acceptance. Both states of the index job_waiting must be
-- named, or SQLite reads all jobs.
SELECT * FROM job WHERE state = :state AND state IN ('queued', 'running') ORDER BY accepted_order;

-- name: take
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
INSERT INTO picture (job, idx, seed, sha256) VALUES (:job, :idx, :seed, :sha256);

-- name: save_file_id
-- A platform's file id of a picture; a newer id replaces an older one. Nothing for a picture deleted meanwhile.
INSERT INTO picture_file (job, idx, platform, form, file_id)
SELECT job, idx, :platform, :form, :file_id FROM picture WHERE job = :job AND idx = :idx
ON CONFLICT (job, idx, platform, form) DO UPDATE SET file_id = excluded.file_id;

-- name: file_ids
-- A platform's file ids of these jobs' pictures (a JSON list of job ids).
SELECT job, idx, file_id FROM picture_file
WHERE platform = :platform AND form = :form AND job IN (SELECT value FROM json_each(:jobs));

-- name: pictures
-- The pictures of these jobs (a JSON list of job ids).
SELECT * FROM picture WHERE job IN (SELECT value FROM json_each(:jobs)) ORDER BY job, idx;

-- name: add_result
-- Queue the result of an ended job for delivery.
INSERT INTO outbox (job) VALUES (:job);

-- name: take_result
-- Take the platform's oldest result that is due and free. Each state of the index outbox_due must be named, or SQLite
-- reads the delivered results too.
UPDATE outbox SET state = 'sending', attempts = attempts + 1
WHERE id = (
    SELECT outbox.id FROM outbox JOIN job ON job.id = outbox.job
    WHERE outbox.state IN ('ready', 'maybe', 'sending') AND outbox.state <> 'sending'
      AND outbox.not_before_ms <= :now_ms AND job.platform = :platform
      AND (SELECT count(*) FROM outbox AS other JOIN job AS its ON its.id = other.job
           WHERE other.state = 'sending' AND its.platform = job.platform AND its.chat_id = job.chat_id) < :most_in_chat
      AND NOT EXISTS (
          SELECT 1 FROM outbox AS earlier JOIN job AS its ON its.id = earlier.job
          WHERE earlier.id < outbox.id AND earlier.state IN ('ready', 'maybe', 'sending')
            AND (earlier.state = 'sending' OR earlier.not_before_ms <= :waited_for_ms)
            AND its.person = job.person AND its.platform = job.platform AND its.chat_id = job.chat_id)
    ORDER BY outbox.id LIMIT 1)
RETURNING job, attempts;

-- name: next_due
-- When the platform's next result becomes due, of those that are not due yet; else NULL. CROSS JOIN keeps SQLite from
-- reading all jobs.
SELECT min(outbox.not_before_ms) FROM outbox CROSS JOIN job ON job.id = outbox.job
WHERE outbox.state IN ('ready', 'maybe', 'sending') AND outbox.state <> 'sending'
  AND outbox.not_before_ms > :now_ms AND job.platform = :platform;

-- name: limit_waits
-- A clock that was set back must not delay results for hours.
UPDATE outbox SET not_before_ms = :latest_ms WHERE state IN ('ready', 'maybe') AND not_before_ms > :latest_ms;

-- name: make_due
-- Retry at once what a chat could not take before.
UPDATE outbox SET not_before_ms = 0
WHERE state = 'maybe' AND job IN (SELECT id FROM job WHERE platform = :platform AND chat_id = :chat_id);

-- name: is_sending
-- Whether a result is being sent.
SELECT 1 FROM outbox WHERE job = :job AND state = 'sending';

-- name: mark_result
-- How the delivery of a result ended.
UPDATE outbox SET state = :state, not_before_ms = :not_before_ms WHERE job = :job AND state = 'sending';

-- name: recover_sending
-- What was being sent when the process stopped may have arrived.
UPDATE outbox SET state = 'maybe' WHERE state = 'sending';

-- name: retry_kept
-- Retry a person's kept results as if they were new.
UPDATE outbox SET state = 'ready', attempts = 0, not_before_ms = 0
WHERE state = 'kept' AND job IN (SELECT id FROM job WHERE person = :person)
RETURNING job;

-- name: retry_kept_of_chat
-- As retry_kept, for a chat that others read: only its jobs that are not private.
UPDATE outbox SET state = 'ready', attempts = 0, not_before_ms = 0
WHERE state = 'kept' AND job IN (
    SELECT id FROM job WHERE person = :person AND private = 0 AND platform = :platform AND chat_id = :chat_id)
RETURNING job;

-- name: result
-- A job with its pictures (a JSON list), its receiver, what was refunded, and the person's credits.
SELECT job.*,
       (SELECT json_group_array(json_object('job', job, 'idx', idx, 'seed', seed, 'sha256', sha256,
                                            'form', form, 'earlier_name', earlier_name))
        FROM (SELECT * FROM picture WHERE picture.job = job.id ORDER BY idx)) AS pictures,
       coalesce(identity.user_id, '') AS user_id, coalesce(identity.name, '') AS user_name,
       coalesce((SELECT credits FROM ledger WHERE ledger.job = job.id AND kind = 'refund'), 0) AS refund,
       account.credits
FROM job JOIN account ON account.person = job.person
LEFT JOIN identity ON identity.person = job.person AND identity.platform = job.platform
WHERE job.id = :job;

-- name: add_event
-- Store a raw event before it is acknowledged to the platform; skip known events.
INSERT INTO inbox (platform, event_id, payload, at_ms) VALUES (:platform, :event_id, :payload, :now_ms)
ON CONFLICT (platform, event_id) DO NOTHING;

-- name: unsettled_events
-- The events without a final answer, oldest first.
SELECT event_id, payload FROM inbox WHERE platform = :platform AND settled = 0 ORDER BY id;

-- name: find_event
-- What became of an event: its answer while it is stored, and the job that it made.
SELECT inbox.id IS NOT NULL AS is_stored, inbox.answer, origin.job
FROM (SELECT :platform AS platform, :event_id AS event_id) AS event
LEFT JOIN inbox ON inbox.platform = event.platform AND inbox.event_id = event.event_id AND inbox.settled = 0
LEFT JOIN origin ON origin.platform = event.platform AND origin.event_id = event.event_id;

-- name: save_answer
-- Store an answer until it is sent.
UPDATE inbox SET answer = :answer WHERE platform = :platform AND event_id = :event_id AND settled = 0;

-- name: settle_event
-- The event is answered; its id stays for a while, so that a repetition is recognised.
UPDATE inbox SET settled = 1, payload = '', answer = NULL WHERE platform = :platform AND event_id = :event_id;

-- name: delete_settled_events
-- Ids that no platform repeats any more.
DELETE FROM inbox WHERE settled = 1 AND at_ms < :before_ms;

-- name: delete_origins
-- Origins of jobs that ended long ago, unless their event is still in the inbox.
DELETE FROM origin
WHERE job IN (SELECT id FROM job WHERE ended_ms < :before_ms)
  AND NOT EXISTS (SELECT 1 FROM inbox WHERE inbox.platform = origin.platform AND inbox.event_id = origin.event_id);

-- name: delete_delivered_results
-- Delivered results of jobs that ended long ago; a job without a row is not delivered again.
DELETE FROM outbox
WHERE state = 'sent' AND job IN (SELECT id FROM job WHERE ended_ms < :before_ms)
  AND job NOT IN (SELECT job FROM origin);
