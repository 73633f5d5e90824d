-- name: schema
-- The number of applied migrations.
PRAGMA user_version;

-- name: integrity
-- SQLite's own check of every page and index.
PRAGMA integrity_check(5);

-- name: orphans
-- Rows whose foreign key points at no row.
PRAGMA foreign_key_check;

-- name: jobs
-- The number of jobs by state.
SELECT state, count(*) AS count FROM job GROUP BY state ORDER BY state;

-- name: totals
-- The other figures, in one row.
SELECT (SELECT count(*) FROM person) AS people,
       (SELECT count(*) FROM picture) AS pictures,
       (SELECT coalesce(sum(credits), 0) FROM account) AS credits,
       (SELECT coalesce(sum(credits), 0) FROM ledger) AS ledger;

-- name: unbalanced
-- People whose credits differ from the sum of their ledger: must be 0.
SELECT count(*) AS count FROM account
WHERE credits <> (SELECT coalesce(sum(ledger.credits), 0) FROM ledger WHERE ledger.person = account.person);

-- name: lost_results
-- Ended jobs without a result in the outbox: must be 0. Delivered results are deleted after a fortnight
-- (bot.desk.maintenance), so a job counts only while it has an origin.
SELECT count(*) AS count FROM job
WHERE state IN ('done', 'failed', 'cancelled') AND id NOT IN (SELECT job FROM outbox)
  AND id IN (SELECT job FROM origin);
