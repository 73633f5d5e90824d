-- name: permissions
-- Everything that hosts decided about people and chats.
SELECT kind, name, until_ms, reason, at_ms, decided_by FROM permission ORDER BY at_ms, name;

-- name: save_permission
-- A host decided; it replaces an earlier decision of this kind.
INSERT INTO permission (kind, name, until_ms, reason, at_ms, decided_by)
VALUES (:kind, :name, :until_ms, :reason, :at_ms, :decided_by)
ON CONFLICT (kind, name) DO UPDATE SET until_ms = excluded.until_ms, reason = excluded.reason,
                                       at_ms = excluded.at_ms, decided_by = excluded.decided_by;

-- name: delete_permission
-- A host took it back.
DELETE FROM permission WHERE kind = :kind AND name = :name RETURNING name;

-- name: add_host_action
-- What a host did.
INSERT INTO host_action (at_ms, platform, user_id, action, subject, detail)
VALUES (:at_ms, :platform, :user_id, :action, :subject, :detail);

-- name: claimed_since
-- Whether somebody has become a host with a code since then.
SELECT 1 FROM host_action WHERE action = 'claim' AND at_ms >= :since_ms LIMIT 1;

-- name: newest_host_actions
-- What hosts did last.
SELECT at_ms, platform, user_id, action, subject, detail FROM host_action ORDER BY id DESC LIMIT :limit;

-- name: service
-- Whether a host has paused the drawing.
SELECT mode, reason, since_ms FROM service;

-- name: save_service
-- A host paused the drawing, or lets the queue run empty.
INSERT INTO service (id, mode, reason, since_ms, decided_by) VALUES (1, :mode, :reason, :since_ms, :decided_by)
ON CONFLICT (id) DO UPDATE SET mode = excluded.mode, reason = excluded.reason, since_ms = excluded.since_ms,
                               decided_by = excluded.decided_by;

-- name: delete_service
-- A host let the drawing go on.
DELETE FROM service;

-- name: people_named
-- The people who have this name on a platform; two are enough to know that it is ambiguous.
SELECT DISTINCT person FROM identity WHERE platform = :platform AND name = :name LIMIT 2;

-- name: identities_of_people
-- All identities of these people (a JSON list).
SELECT person, platform, user_id, name FROM identity
WHERE person IN (SELECT value FROM json_each(:people)) ORDER BY platform, user_id;
