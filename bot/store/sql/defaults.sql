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
