-- name: find_person
-- Who is this on that platform?
SELECT person FROM identity WHERE platform = :platform AND user_id = :user_id;

-- name: add_person
-- Somebody new.
INSERT INTO person (created_ms) VALUES (:now_ms) RETURNING id;

-- name: add_account
-- An empty account; the first allowance fills it.
INSERT INTO account (person) VALUES (:person);

-- name: add_identity
-- How a platform knows this person.
INSERT INTO identity (platform, user_id, person, name, locale)
VALUES (:platform, :user_id, :person, :name, :locale);

-- name: rename_identity
-- People change their names and languages.
UPDATE identity SET name = :name, locale = :locale
WHERE platform = :platform AND user_id = :user_id AND (name <> :name OR locale <> :locale);

-- name: account
-- What a person has.
SELECT credits, renews_at_s, given FROM account WHERE person = :person;

-- name: renew
-- So much of the allowance is given until this moment.
UPDATE account SET renews_at_s = :renews_at_s, given = :given WHERE person = :person;

-- name: move_credits
-- Add (or, negative, take) credits; no row when there are too few.
UPDATE account SET credits = credits + :credits
WHERE person = :person AND credits + :credits >= 0
RETURNING credits;

-- name: write_ledger
-- Why credits moved; a job's second charge or refund breaks one_charge_one_refund.
INSERT INTO ledger (person, job, kind, credits, at_ms) VALUES (:person, :job, :kind, :credits, :at_ms);
