-- name: count_people
-- How many people have an identity whose name or id contains a text.
SELECT count(DISTINCT person) AS total FROM identity
WHERE :pattern = '%' OR name LIKE :pattern ESCAPE '!' OR platform || ':' || user_id LIKE :pattern ESCAPE '!';

-- name: people_page
-- Some of these people, who asked last first, with their credits and their jobs since a moment.
WITH page AS MATERIALIZED (
    SELECT id, (SELECT max(accepted_order) FROM job WHERE person = person.id) AS last
    FROM person
    WHERE EXISTS (
        SELECT 1 FROM identity WHERE identity.person = person.id
        AND (:pattern = '%' OR name LIKE :pattern ESCAPE '!' OR platform || ':' || user_id LIKE :pattern ESCAPE '!')
    )
    ORDER BY last DESC NULLS LAST, id DESC LIMIT :limit OFFSET :offset
), earlier AS MATERIALIZED (
    SELECT coalesce((SELECT accepted_order FROM job WHERE created_ms < :since_ms
                     ORDER BY accepted_order DESC LIMIT 1), -1) AS accepted_order
)
SELECT page.id AS person, account.credits, renews_at_s, given, coalesce(daily_grant.credits, 0) AS granted,
       coalesce(until_ms, 0) AS granted_until_ms, newest.platform, newest.created_ms AS last_ms,
       (SELECT count(*) FROM job WHERE person = page.id
        AND accepted_order > (SELECT accepted_order FROM earlier)) AS jobs_since,
       (SELECT count(*) FROM job WHERE state IN ('queued', 'running') AND person = page.id) AS unfinished
FROM page JOIN account ON account.person = page.id LEFT JOIN daily_grant ON daily_grant.person = page.id
LEFT JOIN job AS newest ON newest.accepted_order = page.last
ORDER BY page.last DESC NULLS LAST, page.id DESC;

-- name: count_host_actions
-- How often hosts did something.
SELECT count(*) AS total FROM host_action;

-- name: host_actions_page
-- What hosts did, the newest first, with the names that their platforms show.
SELECT at_ms, host_action.platform, host_action.user_id, action, subject, detail,
       coalesce(identity.name, '') AS name
FROM host_action LEFT JOIN identity USING (platform, user_id)
ORDER BY host_action.id DESC LIMIT :limit OFFSET :offset;
