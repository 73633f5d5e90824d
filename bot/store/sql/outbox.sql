-- name: add_result
-- Queue the result of an ended job for delivery.
INSERT INTO outbox (job) VALUES (:job);

-- name: claim_result
-- Claim the platform's oldest result that is due and free.
UPDATE outbox SET state = 'sending', attempts = attempts + 1
WHERE id = (
    SELECT outbox.id FROM outbox JOIN job ON job.id = outbox.job
    WHERE outbox.state IN ('ready', 'maybe') AND outbox.not_before_ms <= :now_ms AND job.platform = :platform
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
-- When the platform's next result becomes due, of those that are not due yet; else NULL.
SELECT min(outbox.not_before_ms) FROM outbox JOIN job ON job.id = outbox.job
WHERE outbox.state IN ('ready', 'maybe') AND outbox.not_before_ms > :now_ms AND job.platform = :platform;

-- name: limit_waits
-- A clock that was set back must not delay results for hours.
UPDATE outbox SET not_before_ms = :latest_ms WHERE state IN ('ready', 'maybe') AND not_before_ms > :latest_ms;

-- name: make_due
-- Retry at once what a chat could not take before.
UPDATE outbox SET not_before_ms = 0
WHERE state = 'maybe' AND job IN (SELECT id FROM job WHERE platform = :platform AND chat_id = :chat_id);

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

-- name: result_details
-- Who receives a job's result, what was refunded, and the person's credits.
SELECT coalesce(identity.user_id, '') AS user_id, coalesce(identity.name, '') AS user_name,
       coalesce((SELECT credits FROM ledger WHERE ledger.job = job.id AND kind = 'refund'), 0) AS refund,
       account.credits
FROM job JOIN account ON account.person = job.person
LEFT JOIN identity ON identity.person = job.person AND identity.platform = job.platform
WHERE job.id = :job;

-- name: undelivered_pictures
-- Pictures that a chat may still ask for.
SELECT picture.file_name FROM picture JOIN outbox ON outbox.job = picture.job
WHERE outbox.state IN ('ready', 'sending', 'maybe');
