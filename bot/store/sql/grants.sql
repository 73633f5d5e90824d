-- name: daily_grant
-- What a host gave a person a day, unless it is over.
SELECT credits, until_ms FROM daily_grant WHERE person = :person AND until_ms > :now_ms;

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
-- Of two grants, the merged person keeps the larger one.
INSERT INTO daily_grant (person, credits, until_ms, at_ms, decided_by)
SELECT :kept, credits, until_ms, at_ms, decided_by FROM daily_grant WHERE person = :merged
ON CONFLICT (person) DO UPDATE SET credits = excluded.credits, until_ms = excluded.until_ms, at_ms = excluded.at_ms,
                                   decided_by = excluded.decided_by
WHERE excluded.credits > daily_grant.credits;
