-- name: add_lora_change
-- A host changed the shelf or a default, or tried to.
INSERT INTO lora_change (
    at_ms, platform, user_id, chat_id, action, scope, lora_before, lora_after, sha256, source, refusal, duration_ms
) VALUES (
    :at_ms, :platform, :user_id, :chat_id, :action, :scope, :lora_before, :lora_after, :sha256, :source, :refusal,
    :duration_ms
);

-- name: lora_changes
-- The newest changes, newest first.
SELECT at_ms, platform, user_id, chat_id, action, scope, lora_before, lora_after, sha256, source, refusal,
    duration_ms
FROM lora_change ORDER BY id DESC LIMIT :limit;
