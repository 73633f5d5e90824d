-- name: publish
-- Private pictures come to the chat where they were asked for.
UPDATE job SET private = 0, platform = :platform, chat_id = :chat_id, ref = :ref WHERE id = :job;

-- name: deliver_again
-- Queue the result of an ended job as if it were new.
INSERT INTO outbox (job) VALUES (:job)
ON CONFLICT (job) DO UPDATE SET state = 'ready', attempts = 0, not_before_ms = 0;

-- name: delete_job
-- Its text goes at once; the rows of its pictures, and then their files, a moment later.
UPDATE job SET deleted_ms = :now_ms, prompt = '', typed = '', triggers = '[]', prompts = '[]', sheet = NULL
WHERE id = :job;

-- name: drop_kept_result
-- The result of a deleted job that no chat could take is not asked for any more.
UPDATE outbox SET state = 'sent' WHERE job = :job AND state = 'kept';

-- name: jobs_with_messages
-- The deleted jobs that messages of chats still show.
SELECT DISTINCT job.id FROM picture_message JOIN job ON job.id = picture_message.job
WHERE job.deleted_ms IS NOT NULL;

-- name: add_report
-- A person reports a job once.
INSERT INTO job_report (job, person, at_ms) VALUES (:job, :person, :now_ms) ON CONFLICT DO NOTHING;

-- name: count_reports
-- How many jobs a person reported since a moment, and whether this job is among all that they reported.
SELECT count(*) FILTER (WHERE at_ms >= :since_ms) AS since, count(*) FILTER (WHERE job = :job) AS same
FROM job_report WHERE person = :person;

-- name: newest_reports
-- The jobs that people reported last, with the newest reporter of each; deleted ones are settled.
WITH newest AS (
    SELECT job, person, max(at_ms) AS at_ms, count(*) AS reports FROM job_report
    WHERE job IN (SELECT id FROM job WHERE deleted_ms IS NULL)
    GROUP BY job ORDER BY max(at_ms) DESC LIMIT :limit)
SELECT newest.job, job.typed, newest.at_ms, newest.reports,
       coalesce((SELECT platform || ':' || user_id FROM identity WHERE identity.person = job.person), '') AS drawn_by,
       coalesce((SELECT platform || ':' || user_id FROM identity WHERE identity.person = newest.person), '')
           AS reported_by
FROM newest JOIN job ON job.id = newest.job ORDER BY newest.at_ms DESC;

-- name: save_message
-- A message that shows a picture of a job, or all of them; a known message now shows this.
INSERT INTO picture_message (platform, chat_id, message_id, job, idx)
VALUES (:platform, :chat_id, :message_id, :job_id, :index)
ON CONFLICT (platform, chat_id, message_id) DO UPDATE SET job = excluded.job, idx = excluded.idx;

-- name: find_message
-- What a message shows.
SELECT platform, chat_id, message_id, job AS job_id, idx AS "index" FROM picture_message
WHERE platform = :platform AND chat_id = :chat_id AND message_id = :message_id;

-- name: messages_of_job
-- The messages that show a job, on one platform or on all.
SELECT platform, chat_id, message_id, job AS job_id, idx AS "index" FROM picture_message
WHERE job = :job_id AND platform = coalesce(:platform, platform) ORDER BY platform, chat_id, message_id;

-- name: forget_message
-- A message is gone; nothing if it shows another job by now.
DELETE FROM picture_message
WHERE platform = :platform AND chat_id = :chat_id AND message_id = :message_id AND job = :job_id;

-- name: forget_chat_messages
-- The messages of a chat have other ids now.
DELETE FROM picture_message WHERE platform = :platform AND chat_id = :chat_id;
