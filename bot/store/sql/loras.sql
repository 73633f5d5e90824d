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

-- name: lora_verdicts
-- What trial pictures of a model's weights said.
SELECT sha256, refusal FROM lora_verdict WHERE weights = :weights;

-- name: save_lora_verdict
-- A trial picture was drawn, or refused.
INSERT INTO lora_verdict (sha256, weights, refusal, at_ms) VALUES (:sha256, :weights, :refusal, :at_ms)
ON CONFLICT (sha256, weights) DO UPDATE SET refusal = excluded.refusal, at_ms = excluded.at_ms;
