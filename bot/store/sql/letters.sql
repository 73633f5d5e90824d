-- name: add_letter
-- A new letter, unless the person has this one.
INSERT INTO letter (platform, user_id, kind, period, content)
VALUES (:platform, :user_id, 'lora_report', :period, :content)
ON CONFLICT DO NOTHING;

-- name: claim_letter
-- The platform's oldest letter that is due, in its person's language; no row if none is.
UPDATE letter SET state = 'sending', attempts = attempts + 1
WHERE id = (SELECT id FROM letter WHERE platform = :platform AND state IN ('ready', 'maybe')
            AND not_before_ms <= :now_ms ORDER BY id LIMIT 1)
RETURNING id, user_id, period, content, attempts,
          coalesce((SELECT locale FROM identity WHERE identity.platform = letter.platform
                    AND identity.user_id = letter.user_id), 'en') AS locale;

-- name: mark_letter
-- How the delivery of a letter ended.
UPDATE letter SET state = :state, not_before_ms = :not_before_ms WHERE id = :id AND state = 'sending';

-- name: recover_letters
-- What was being sent when the process stopped may have arrived.
UPDATE letter SET state = 'maybe' WHERE state = 'sending';
