-- name: add_owner_report
-- A new report, unless the owner has this one.
INSERT INTO owner_report (platform, user_id, period, content)
VALUES (:platform, :user_id, :period, :content)
ON CONFLICT DO NOTHING;

-- name: take_owner_report
-- The platform's oldest report that is due, in its owner's language; no row if none is.
UPDATE owner_report SET state = 'sending', attempts = attempts + 1
WHERE id = (SELECT id FROM owner_report WHERE platform = :platform AND state IN ('ready', 'maybe')
            AND not_before_ms <= :now_ms ORDER BY id LIMIT 1)
RETURNING id, user_id, period, content, attempts,
          coalesce((SELECT locale FROM identity WHERE identity.platform = owner_report.platform
                    AND identity.user_id = owner_report.user_id), 'en') AS locale;

-- name: mark_owner_report
-- How the delivery of a report ended.
UPDATE owner_report SET state = :state, not_before_ms = :not_before_ms WHERE id = :id AND state = 'sending';

-- name: recover_owner_reports
-- What was being sent when the process stopped may have arrived.
UPDATE owner_report SET state = 'maybe' WHERE state = 'sending';
