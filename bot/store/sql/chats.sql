-- name: add_event
-- Store a raw event before it is acknowledged to the platform; skip known events.
INSERT INTO inbox (platform, event_id, payload, at_ms) VALUES (:platform, :event_id, :payload, :now_ms)
ON CONFLICT (platform, event_id) DO NOTHING;

-- name: unsettled_events
-- The events without a final answer, oldest first.
SELECT event_id, payload FROM inbox WHERE platform = :platform AND settled = 0 ORDER BY id;

-- name: find_event
-- An event that is not settled, with its answer if one is stored.
SELECT answer FROM inbox WHERE platform = :platform AND event_id = :event_id AND settled = 0;

-- name: save_answer
-- Store an answer until it is sent.
UPDATE inbox SET answer = :answer WHERE platform = :platform AND event_id = :event_id AND settled = 0;

-- name: settle_event
-- The event is answered; its id stays for a while, so that a repetition is recognised.
UPDATE inbox SET settled = 1, payload = '', answer = NULL WHERE platform = :platform AND event_id = :event_id;

-- name: delete_settled_events
-- Ids that no platform repeats any more.
DELETE FROM inbox WHERE settled = 1 AND at_ms < :before_ms;

-- name: delete_origins
-- Origins of jobs that ended long ago, unless their event is still in the inbox.
DELETE FROM origin
WHERE job IN (SELECT id FROM job WHERE ended_ms < :before_ms)
  AND NOT EXISTS (SELECT 1 FROM inbox WHERE inbox.platform = origin.platform AND inbox.event_id = origin.event_id);

-- name: delete_delivered_results
-- Delivered results of jobs that ended long ago; a job without a row is not delivered again.
DELETE FROM outbox
WHERE state = 'sent' AND job IN (SELECT id FROM job WHERE ended_ms < :before_ms)
  AND job NOT IN (SELECT job FROM origin);

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

-- name: copy_chat_default
-- The chat has a new id; a default that the new id has already wins.
INSERT INTO chat_default (platform, chat_id, lora, weight)
SELECT platform, :now, lora, weight FROM chat_default WHERE platform = :platform AND chat_id = :earlier
ON CONFLICT (platform, chat_id) DO NOTHING;

-- name: delete_chat_default
-- The old id is not used any more.
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
