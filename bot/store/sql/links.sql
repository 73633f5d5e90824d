-- name: identities_of
-- How the platforms know this person.
SELECT platform, user_id FROM identity WHERE person = :person ORDER BY platform;

-- name: people_named
-- Who is behind these identities (a JSON list of platform:user_id).
SELECT person, platform || ':' || user_id AS name FROM identity
WHERE platform || ':' || user_id IN (SELECT value FROM json_each(:names));

-- name: forget_codes
-- Codes that nobody can use any more, and a person's earlier one.
DELETE FROM link_code WHERE expires_ms <= :now_ms OR (person = :person AND used = 0);

-- name: add_code
-- A code for somebody's other chat.
INSERT INTO link_code (code, person, platform, expires_ms) VALUES (:code, :person, :platform, :expires_ms);

-- name: code
-- Whose code is this? No row once it has expired.
SELECT link_code.person, typed_by, typed_event, used, identity.platform, identity.name
FROM link_code JOIN identity ON identity.person = link_code.person
WHERE code = :code AND expires_ms > :now_ms
ORDER BY identity.platform <> link_code.platform LIMIT 1;

-- name: type_code
-- It is theirs who typed it first.
UPDATE link_code SET typed_by = :typed_by, typed_event = :typed_event WHERE code = :code AND typed_by IS NULL;

-- name: use_code
-- It works once.
UPDATE link_code SET used = 1 WHERE code = :code;

-- name: join_accounts
-- Two accounts become one; both were renewed a moment ago.
UPDATE account SET credits = account.credits + gone.credits, renews_at_s = max(account.renews_at_s, gone.renews_at_s),
                   given = max(account.given, gone.given)
FROM (SELECT credits, renews_at_s, given FROM account WHERE person = :gone) AS gone
WHERE account.person = :stays;

-- name: hand_over_identities
-- The platforms know the other one now.
UPDATE identity SET person = :stays WHERE person = :gone;

-- name: hand_over_jobs
-- The history, and what waits.
UPDATE job SET person = :stays WHERE person = :gone;

-- name: hand_over_ledger
-- Why credits moved; the sums go with the account.
UPDATE ledger SET person = :stays WHERE person = :gone;

-- name: hand_over_codes
-- What was asked for joins to the one that stays.
UPDATE link_code SET person = :stays WHERE person = :gone;

-- name: forget_account
-- It is in the other one.
DELETE FROM account WHERE person = :gone;

-- name: forget_person
-- Nothing names them any more.
DELETE FROM person WHERE id = :gone;

-- name: add_another
-- Who was part of somebody else.
INSERT INTO person (created_ms) VALUES (:now_ms) RETURNING id;

-- name: open_account
-- Nothing in it, and today's allowance counts as given if it was given to the person they were.
INSERT INTO account (person, renews_at_s, given)
SELECT :person, renews_at_s, given FROM account WHERE person = :was;

-- name: part_identity
-- A platform knows somebody else from now on.
UPDATE identity SET person = :person WHERE platform = :platform AND user_id = :user_id;
