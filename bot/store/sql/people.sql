-- name: find_person
-- The person behind an identity.
SELECT person FROM identity WHERE platform = :platform AND user_id = :user_id;

-- name: add_person
-- A new person.
INSERT INTO person (created_ms) VALUES (:now_ms) RETURNING id;

-- name: add_account
-- An empty account; the first allowance fills it.
INSERT INTO account (person) VALUES (:person);

-- name: add_identity
-- An identity of a person on a platform.
INSERT INTO identity (platform, user_id, person, name, locale)
VALUES (:platform, :user_id, :person, :name, :locale);

-- name: update_identity
-- A person's current name and language.
UPDATE identity SET name = :name, locale = :locale
WHERE platform = :platform AND user_id = :user_id AND (name <> :name OR locale <> :locale);

-- name: find_account
-- A person's credits, and what a host gave them a day.
SELECT account.person, account.credits, renews_at_s, given, coalesce(daily_grant.credits, 0) AS granted,
       coalesce(until_ms, 0) AS granted_until_ms
FROM account LEFT JOIN daily_grant USING (person)
WHERE account.person = :person;

-- name: set_allowance
-- How much of the allowance is given, and until when it counts.
UPDATE account SET renews_at_s = :renews_at_s, given = :given WHERE person = :person;

-- name: move_credits
-- Add credits (negative: take them); no row if there are too few.
UPDATE account SET credits = credits + :credits
WHERE person = :person AND credits + :credits >= 0
RETURNING credits;

-- name: add_ledger_entry
-- Why credits moved; a second charge or refund of a job violates one_charge_one_refund.
INSERT INTO ledger (person, job, kind, credits, at_ms, decided_by)
VALUES (:person, :job, :kind, :credits, :at_ms, :decided_by);

-- name: granted_credits
-- What was granted and given to a person, less what was taken and given away. Nobody decided on what lapsed at a link:
-- it was allowance.
SELECT coalesce(sum(credits), 0) FROM ledger WHERE person = :person AND kind = 'grant' AND decided_by IS NOT NULL;

-- name: identities_of
-- The identities of a person.
SELECT platform, user_id FROM identity WHERE person = :person ORDER BY platform;

-- name: identities
-- Every identity, and the person behind it.
SELECT person, platform || ':' || user_id AS name FROM identity;

-- name: people_of
-- The people behind these identities (a JSON list of platform:user_id).
SELECT person, platform || ':' || user_id AS name FROM identity
WHERE platform || ':' || user_id IN (SELECT value FROM json_each(:names));

-- name: delete_codes
-- Expired codes, and a person's earlier code.
DELETE FROM link_code WHERE expires_ms <= :now_ms OR (person = :person AND used = 0);

-- name: add_code
-- A code for a person's other chat.
INSERT INTO link_code (code, person, platform, expires_ms) VALUES (:code, :person, :platform, :expires_ms);

-- name: find_code
-- A code and the person who asked for it; no row once it has expired.
SELECT link_code.person, typed_by, typed_event, used, identity.platform, identity.name
FROM link_code JOIN identity ON identity.person = link_code.person
WHERE code = :code AND expires_ms > :now_ms
ORDER BY identity.platform <> link_code.platform LIMIT 1;

-- name: reserve_code
-- Reserve a code for the identity that types it first.
UPDATE link_code SET typed_by = :typed_by, typed_event = :typed_event WHERE code = :code AND typed_by IS NULL;

-- name: use_code
-- A code works once.
UPDATE link_code SET used = 1 WHERE code = :code;

-- name: merge_accounts
-- Merge two accounts; both were renewed just before.
UPDATE account SET credits = account.credits + merged.credits,
                   renews_at_s = max(account.renews_at_s, merged.renews_at_s),
                   given = max(account.given, merged.given)
FROM (SELECT credits, renews_at_s, given FROM account WHERE person = :merged) AS merged
WHERE account.person = :kept;

-- name: move_identities
-- The identities of the merged person.
UPDATE identity SET person = :kept WHERE person = :merged;

-- name: move_jobs
-- The history and the waiting jobs.
UPDATE job SET person = :kept WHERE person = :merged;

-- name: move_uses
-- The uses of LoRAs follow the jobs.
UPDATE lora_use SET person = :kept WHERE person = :merged;

-- name: move_reports
-- What both had reported, the merged person has reported once.
UPDATE OR IGNORE job_report SET person = :kept WHERE person = :merged;

-- name: delete_reports
-- The other one of two such reports.
DELETE FROM job_report WHERE person = :merged;

-- name: move_ledger
-- The ledger follows the credits.
UPDATE ledger SET person = :kept WHERE person = :merged;

-- name: move_favourites
-- The favourite pictures of the merged person.
INSERT INTO favourite (person, job, idx, at_ms)
SELECT :kept, job, idx, at_ms FROM favourite WHERE person = :merged ON CONFLICT DO NOTHING;

-- name: delete_favourites
-- They belong to the other person now.
DELETE FROM favourite WHERE person = :merged;

-- name: add_earlier_people
-- Under whose names the search has the jobs of the merged person.
INSERT INTO earlier_person (person, was)
SELECT :kept, was FROM earlier_person WHERE person = :merged UNION SELECT :kept, :merged ON CONFLICT DO NOTHING;

-- name: delete_earlier_people
-- They are known under the other person now.
DELETE FROM earlier_person WHERE person = :merged;

-- name: move_codes
-- Codes that the merged person asked for.
UPDATE link_code SET person = :kept WHERE person = :merged;

-- name: delete_account
-- Its credits are in the other account.
DELETE FROM account WHERE person = :merged;

-- name: delete_person
-- Nothing refers to this person any more.
DELETE FROM person WHERE id = :merged;

-- name: add_split_account
-- An empty account for a split identity; today's allowance counts as given if the earlier person received it.
INSERT INTO account (person, renews_at_s, given)
SELECT :person, renews_at_s, given FROM account WHERE person = :was;

-- name: move_identity
-- The identity belongs to another person from now on.
UPDATE identity SET person = :person WHERE platform = :platform AND user_id = :user_id;

-- name: chat_default
-- This chat's own default LoRA.
SELECT lora, weight FROM chat_default WHERE platform = :platform AND chat_id = :chat_id;

-- name: bot_default
-- The default of all chats without their own.
SELECT lora, weight FROM bot_default WHERE id = 1;

-- name: set_chat_default
-- A host set the chat's default.
INSERT INTO chat_default (platform, chat_id, lora, weight) VALUES (:platform, :chat_id, :lora, :weight)
ON CONFLICT (platform, chat_id) DO UPDATE SET lora = excluded.lora, weight = excluded.weight;

-- name: set_bot_default
-- A host set the bot's default.
INSERT INTO bot_default (id, lora, weight) VALUES (1, :lora, :weight)
ON CONFLICT (id) DO UPDATE SET lora = excluded.lora, weight = excluded.weight;

-- name: delete_bot_default
-- The default of the settings holds again.
DELETE FROM bot_default;

-- name: copy_chat_default
-- The chat has a new id; a default that the new id has already wins.
INSERT INTO chat_default (platform, chat_id, lora, weight)
SELECT platform, :now, lora, weight FROM chat_default WHERE platform = :platform AND chat_id = :earlier
ON CONFLICT (platform, chat_id) DO NOTHING;

-- name: delete_chat_default
-- The old id is not used any more, or the chat follows the bot again.
DELETE FROM chat_default WHERE platform = :platform AND chat_id = :chat_id;

-- name: add_alias
-- The same chat under another id.
INSERT INTO chat_alias (platform, chat_id, earlier_chat_id) VALUES (:platform, :now, :earlier)
ON CONFLICT DO NOTHING;

-- name: earlier_ids
-- All earlier ids of a chat.
WITH RECURSIVE earlier (chat_id) AS (
    SELECT earlier_chat_id FROM chat_alias WHERE platform = :platform AND chat_id = :chat_id
    UNION
    SELECT earlier_chat_id FROM chat_alias JOIN earlier USING (chat_id) WHERE platform = :platform)
SELECT chat_id FROM earlier;

-- name: save_daily_grant
-- A host gives a person credits a day; it replaces an earlier grant.
INSERT INTO daily_grant (person, credits, until_ms, at_ms, decided_by)
VALUES (:person, :credits, :until_ms, :at_ms, :decided_by)
ON CONFLICT (person) DO UPDATE SET credits = excluded.credits, until_ms = excluded.until_ms, at_ms = excluded.at_ms,
                                   decided_by = excluded.decided_by;

-- name: delete_daily_grant
-- The usual allowance holds again.
DELETE FROM daily_grant WHERE person = :person RETURNING person;

-- name: merge_daily_grants
-- Of two grants that are not over, the larger one holds.
INSERT INTO daily_grant (person, credits, until_ms, at_ms, decided_by)
SELECT :kept, credits, until_ms, at_ms, decided_by FROM daily_grant WHERE person = :merged
ON CONFLICT (person) DO UPDATE SET credits = excluded.credits, until_ms = excluded.until_ms, at_ms = excluded.at_ms,
                                   decided_by = excluded.decided_by
WHERE excluded.until_ms > :now_ms
  AND (excluded.credits > daily_grant.credits OR daily_grant.until_ms <= :now_ms);
