-- name: add_refusals
-- How often a rule refused within an hour.
INSERT INTO refusal (hour, rule, count) VALUES (:hour, :rule, :count)
ON CONFLICT (hour, rule) DO UPDATE SET count = count + excluded.count;

-- name: forget_refusals
-- Forget the refusals of earlier hours: no statistics reach so far back.
DELETE FROM refusal WHERE hour < :first_hour;

-- name: totals
-- What ended since a moment; a job that did not become done counts with the pictures that it has.
SELECT count(*) FILTER (WHERE state = 'done') AS done,
       count(*) FILTER (WHERE state = 'failed') AS failed,
       count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
       coalesce(sum(CASE state WHEN 'done' THEN count ELSE
           (SELECT count(*) FROM picture WHERE picture.job = job.id AND picture.idx < job.count) END), 0) AS pictures,
       count(DISTINCT person) AS people
FROM job WHERE ended_ms >= :since_ms;

-- name: waits
-- How long jobs waited that were drawn at the first attempt: half of them at most, 95 % of them at most.
WITH waited AS (
    SELECT max(0, started_ms - created_ms) AS ms FROM job
    WHERE ended_ms >= :since_ms AND started_ms IS NOT NULL AND attempt = 1),
ranked AS (SELECT ms, row_number() OVER (ORDER BY ms) AS place, count(*) OVER () AS total FROM waited)
SELECT min(ms) FILTER (WHERE place * 2 >= total) AS half_ms,
       min(ms) FILTER (WHERE place * 20 >= total * 19) AS most_ms
FROM ranked;

-- name: fails
-- Why jobs failed.
SELECT fail AS name, count(*) AS count FROM job WHERE ended_ms >= :since_ms AND state = 'failed'
GROUP BY fail ORDER BY count(*) DESC, fail;

-- name: refusals
-- What was refused, by rule.
SELECT rule AS name, sum(count) AS count FROM refusal WHERE hour >= :since_hour
GROUP BY rule ORDER BY sum(count) DESC, rule;

-- name: loras
-- With which LoRAs most pictures were drawn.
SELECT lora AS name, sum(pictures) AS count FROM lora_use WHERE at_ms >= :since_ms
GROUP BY lora ORDER BY sum(pictures) DESC, lora LIMIT :limit;

-- name: spans
-- The same figures for each span of the time since a moment; spans without a job have no row.
SELECT (ended_ms - :since_ms) / :span_ms AS number,
       coalesce(sum(CASE state WHEN 'done' THEN count ELSE
           (SELECT count(*) FROM picture WHERE picture.job = job.id AND picture.idx < job.count) END), 0) AS pictures,
       count(*) FILTER (WHERE state = 'failed') AS failed,
       count(DISTINCT person) AS people
FROM job WHERE ended_ms >= :since_ms GROUP BY number ORDER BY number;
