-- name: schema
-- How many migrations this file has seen.
PRAGMA user_version;

-- name: integrity
-- SQLite's own check of every page and index.
PRAGMA integrity_check(5);

-- name: strays
-- Rows that point at nothing.
PRAGMA foreign_key_check;

-- name: jobs
-- How many jobs stand where.
SELECT state, count(*) AS count FROM job GROUP BY state ORDER BY state;

-- name: sums
-- The other figures in one row.
SELECT (SELECT count(*) FROM person) AS people,
       (SELECT count(*) FROM picture) AS pictures,
       (SELECT coalesce(sum(credits), 0) FROM account) AS credits,
       (SELECT coalesce(sum(credits), 0) FROM ledger) AS ledger;

-- name: unbalanced
-- People whose credits are not what their ledger adds up to: there must be none.
SELECT count(*) AS count FROM account
WHERE credits <> (SELECT coalesce(sum(ledger.credits), 0) FROM ledger WHERE ledger.person = account.person);

-- name: untold
-- Ended jobs that nobody will ever be told about: there must be none. Delivered ones lose their rows after a
-- fortnight (bot.desk.maintenance), so each counts only while its message would still be recognised.
SELECT count(*) AS count FROM job
WHERE state IN ('done', 'failed', 'cancelled') AND id NOT IN (SELECT job FROM outbox)
  AND id IN (SELECT job FROM origin);
