-- name: post
-- An ended job is to be told.
INSERT INTO outbox (job) VALUES (:job);

-- name: claim_result
-- The oldest result of a platform that is due and free becomes ours to deliver.
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
-- When the next result of a platform that is not due yet will be; NULL when none is to come.
SELECT min(outbox.not_before_ms) FROM outbox JOIN job ON job.id = outbox.job
WHERE outbox.state IN ('ready', 'maybe') AND outbox.not_before_ms > :now_ms AND job.platform = :platform;

-- name: bring_forward
-- A clock that was set back would let results wait for hours.
UPDATE outbox SET not_before_ms = :latest_ms WHERE state IN ('ready', 'maybe') AND not_before_ms > :latest_ms;

-- name: make_due
-- What a chat could not take is tried again at once.
UPDATE outbox SET not_before_ms = 0
WHERE state = 'maybe' AND job IN (SELECT id FROM job WHERE platform = :platform AND chat_id = :chat_id);

-- name: mark_result
-- How the delivery of a result ended.
UPDATE outbox SET state = :state, not_before_ms = :not_before_ms WHERE job = :job AND state = 'sending';

-- name: recover_sending
-- What a stop caught on its way may have arrived.
UPDATE outbox SET state = 'maybe' WHERE state = 'sending';

-- name: take_kept
-- A person's kept results are tried again, as if new.
UPDATE outbox SET state = 'ready', attempts = 0, not_before_ms = 0
WHERE state = 'kept' AND job IN (SELECT id FROM job WHERE person = :person)
RETURNING job;

-- name: take_kept_of_chat
-- As take_kept, where others read along: only what was drawn openly there.
UPDATE outbox SET state = 'ready', attempts = 0, not_before_ms = 0
WHERE state = 'kept' AND job IN (
    SELECT id FROM job WHERE person = :person AND private = 0 AND platform = :platform AND chat_id = :chat_id)
RETURNING job;

-- name: result
-- To whom a job's result goes and how its money ended.
SELECT coalesce(identity.user_id, '') AS user_id, coalesce(identity.name, '') AS user_name,
       coalesce((SELECT credits FROM ledger WHERE ledger.job = job.id AND kind = 'refund'), 0) AS refund,
       account.credits
FROM job JOIN account ON account.person = job.person
LEFT JOIN identity ON identity.person = job.person AND identity.platform = job.platform
WHERE job.id = :job;

-- name: take_in
-- A raw event, stored before it is confirmed; known ones are skipped.
INSERT INTO inbox (platform, event_id, payload, at_ms) VALUES (:platform, :event_id, :payload, :now_ms)
ON CONFLICT (platform, event_id) DO NOTHING;

-- name: taken_in
-- The events that were not answered yet, oldest first.
SELECT event_id, payload FROM inbox WHERE platform = :platform AND settled = 0 ORDER BY id;

-- name: event
-- An event that waits for its answer to be sent, with the answer if there is one.
SELECT answer FROM inbox WHERE platform = :platform AND event_id = :event_id AND settled = 0;

-- name: keep_answer
-- What is to be sent, until it was.
UPDATE inbox SET answer = :answer WHERE platform = :platform AND event_id = :event_id AND settled = 0;

-- name: settle
-- The event was answered; its id stays for a while so that a repetition is known.
UPDATE inbox SET settled = 1, payload = '', answer = NULL WHERE platform = :platform AND event_id = :event_id;

-- name: forget_settled
-- Ids that no platform repeats any more.
DELETE FROM inbox WHERE settled = 1 AND at_ms < :before_ms;

-- name: forget_origins
-- Messages that made jobs which ended long ago, unless they are still to be handled.
DELETE FROM origin
WHERE job IN (SELECT id FROM job WHERE ended_ms < :before_ms)
  AND NOT EXISTS (SELECT 1 FROM inbox WHERE inbox.platform = origin.platform AND inbox.event_id = origin.event_id);

-- name: forget_sent
-- Jobs that were delivered and ended long ago; one without a row is not delivered again.
DELETE FROM outbox
WHERE state = 'sent' AND job IN (SELECT id FROM job WHERE ended_ms < :before_ms)
  AND job NOT IN (SELECT job FROM origin);

-- name: pictures_waiting
-- Pictures that a chat may still ask for.
SELECT picture.file_name FROM picture JOIN outbox ON outbox.job = picture.job
WHERE outbox.state IN ('ready', 'sending', 'maybe');
