-- name: lasting
-- The alerts that are not over.
SELECT id, kind, subject, facts, since_ms FROM alert WHERE over_ms IS NULL ORDER BY id;

-- name: last_reported
-- When each condition was reported last.
SELECT kind, subject, max(reported_ms) AS reported_ms FROM alert GROUP BY kind, subject;

-- name: add_alert
-- A condition that is reported now.
INSERT INTO alert (kind, subject, facts, since_ms, reported_ms)
VALUES (:kind, :subject, :facts, :since_ms, :now_ms)
RETURNING id;

-- name: end_alert
-- A condition that is over.
UPDATE alert SET over_ms = :now_ms WHERE id = :id AND over_ms IS NULL;

-- name: add_alert_message
-- A message to one host.
INSERT INTO alert_message (alert, is_over, platform, user_id) VALUES (:alert, :is_over, :platform, :user_id)
ON CONFLICT DO NOTHING;

-- name: withdraw_alert_messages
-- What was not sent when a condition is over is not sent any more: its last message says all.
UPDATE alert_message SET state = 'kept' WHERE alert = :alert AND is_over = 0 AND state IN ('ready', 'maybe');

-- name: add_last_messages
-- The last message goes to everybody who was to get the first.
INSERT INTO alert_message (alert, is_over, platform, user_id)
SELECT alert, 1, platform, user_id FROM alert_message WHERE alert = :alert AND is_over = 0
ON CONFLICT DO NOTHING;

-- name: take_alert_message
-- The platform's oldest message that is due; no row if none is.
UPDATE alert_message SET state = 'sending', attempts = attempts + 1
WHERE id = (SELECT id FROM alert_message WHERE platform = :platform AND state IN ('ready', 'maybe')
            AND not_before_ms <= :now_ms ORDER BY id LIMIT 1)
RETURNING id, alert, is_over, user_id, attempts;

-- name: read_alert
-- What a message says, and in whose language: the person's own, else the platform's, else the bot's.
SELECT alert.kind, alert.facts, alert.since_ms, alert.over_ms,
       coalesce((SELECT coalesce(nullif(person_setting.language, ''), identity.locale)
                 FROM identity LEFT JOIN person_setting USING (person)
                 WHERE identity.platform = :platform AND identity.user_id = :user_id), :locale) AS locale
FROM alert WHERE alert.id = :alert;

-- name: mark_alert_message
-- How a delivery ended. What did not arrive before its condition was over is not sent again: the last message says all.
UPDATE alert_message
SET state = CASE WHEN :state = 'maybe' AND is_over = 0
                      AND (SELECT over_ms FROM alert WHERE id = alert_message.alert) IS NOT NULL
                 THEN 'kept' ELSE :state END,
    not_before_ms = :not_before_ms
WHERE id = :id AND state = 'sending';

-- name: recover_alert_messages
-- What was being sent when the process stopped may have arrived; a start tries all again at once.
UPDATE alert_message SET state = 'maybe', not_before_ms = 0 WHERE state IN ('sending', 'maybe');

-- name: delete_old_alerts
-- Alerts that were over long ago, with their messages.
DELETE FROM alert WHERE over_ms < :oldest_ms;
