-- name: chat_default
-- This chat's own default LoRA.
SELECT lora, weight FROM chat_default WHERE platform = :platform AND chat_id = :chat_id;

-- name: bot_default
-- The default wherever no chat has its own.
SELECT lora, weight FROM bot_default WHERE id = 1;

-- name: set_chat_default
-- A host switched this chat.
INSERT INTO chat_default (platform, chat_id, lora, weight) VALUES (:platform, :chat_id, :lora, :weight)
ON CONFLICT (platform, chat_id) DO UPDATE SET lora = excluded.lora, weight = excluded.weight;

-- name: set_bot_default
-- A host switched the bot.
INSERT INTO bot_default (id, lora, weight) VALUES (1, :lora, :weight)
ON CONFLICT (id) DO UPDATE SET lora = excluded.lora, weight = excluded.weight;
