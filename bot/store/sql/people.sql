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
-- A person's credits.
SELECT credits, renews_at_s, given FROM account WHERE person = :person;

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
INSERT INTO ledger (person, job, kind, credits, at_ms) VALUES (:person, :job, :kind, :credits, :at_ms);
