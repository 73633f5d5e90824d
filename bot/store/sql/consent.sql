-- name: stated
-- What was stated about every content that a LoRA has or had, oldest first.
SELECT name, sha256, depicts_person, consent, owner, people, chats, expires_ms FROM lora_content ORDER BY at_ms, rowid;

-- name: state
-- The newest statements (a JSON list) on contents of LoRAs.
INSERT INTO lora_content (lora, sha256, name, depicts_person, consent, owner, people, chats, expires_ms, at_ms)
SELECT value ->> 'lora', value ->> 'sha256', value ->> 'name', value ->> 'depicts_person', value ->> 'consent',
    value ->> 'owner', value -> 'people', value -> 'chats', value ->> 'expires_ms', :now_ms
FROM json_each(:rows) WHERE true
ON CONFLICT (lora, sha256) DO UPDATE
SET name = excluded.name, depicts_person = excluded.depicts_person, consent = excluded.consent,
    owner = excluded.owner, people = excluded.people, chats = excluded.chats, expires_ms = excluded.expires_ms,
    at_ms = excluded.at_ms;

-- name: grants
-- Every decision about one person or chat.
SELECT lora, kind, subject, allowed FROM lora_grant;

-- name: set_grant
-- The newest decision about a person or chat counts.
INSERT INTO lora_grant (lora, kind, subject, allowed, granted_by, at_ms)
VALUES (:lora, :kind, :subject, :allowed, :granted_by, :now_ms)
ON CONFLICT (lora, kind, subject) DO UPDATE
SET allowed = excluded.allowed, granted_by = excluded.granted_by, at_ms = excluded.at_ms;

-- name: move_grants
-- A chat has a new id; what was decided about it holds for the new one, unless that has a decision of its own.
INSERT INTO lora_grant (lora, kind, subject, allowed, granted_by, at_ms)
SELECT lora, kind, :now, allowed, granted_by, at_ms FROM lora_grant WHERE kind = 'chat' AND subject = :earlier
ON CONFLICT DO NOTHING;

-- name: withdrawals
-- LoRAs that nobody may use.
SELECT lora, sha256 FROM lora_withdrawal;

-- name: withdraw
-- Nobody may use a LoRA any more.
INSERT INTO lora_withdrawal (lora, sha256, withdrawn_by, at_ms) VALUES (:lora, :sha256, :withdrawn_by, :now_ms)
ON CONFLICT (lora) DO UPDATE SET sha256 = excluded.sha256;

-- name: restore
-- A LoRA may be used again, by those who might before.
DELETE FROM lora_withdrawal WHERE lora = :lora;

-- name: linked
-- The identities of everybody who has more than one.
SELECT person, platform || ':' || user_id AS name FROM identity
WHERE person IN (SELECT person FROM identity GROUP BY person HAVING count(*) > 1);

-- name: add_use
-- A LoRA was used for the pictures of a job.
INSERT INTO lora_use (job, lora, sha256, person, pictures, at_ms)
SELECT id, :lora, :sha256, person, :pictures, :now_ms FROM job WHERE id = :job;

-- name: uses_between
-- What was drawn with these LoRAs (a JSON list of names) in a time: jobs, pictures and people.
SELECT lora, count(*) AS jobs, sum(pictures) AS pictures, count(DISTINCT person) AS people FROM lora_use
WHERE at_ms >= :from_ms AND at_ms < :to_ms AND lora IN (SELECT value FROM json_each(:loras))
GROUP BY lora ORDER BY lora;
