-- name: person_settings
-- What every person always wants; or one person.
SELECT person, options, language, advice FROM person_setting WHERE :person IS NULL OR person = :person;

-- name: save_person_settings
-- A person changed their settings.
INSERT INTO person_setting (person, options, language, advice) VALUES (:person, :options, :language, :advice)
ON CONFLICT (person) DO UPDATE SET options = excluded.options, language = excluded.language,
                                   advice = excluded.advice;

-- name: presets
-- All presets, by name; or those of one person.
SELECT person, key, name, options FROM preset WHERE :person IS NULL OR person = :person ORDER BY name;

-- name: save_preset
-- A person saved options; an equal name is replaced.
INSERT INTO preset (person, key, name, options) VALUES (:person, :key, :name, :options)
ON CONFLICT (person, key) DO UPDATE SET name = excluded.name, options = excluded.options;

-- name: delete_preset
-- A person deleted a preset.
DELETE FROM preset WHERE person = :person AND key = :key;

-- name: move_person_settings
-- The settings of the merged person, unless the other one has some.
UPDATE person_setting SET person = :kept
WHERE person = :merged AND NOT EXISTS (SELECT 1 FROM person_setting WHERE person = :kept);

-- name: delete_person_settings
-- The settings of the other person hold.
DELETE FROM person_setting WHERE person = :merged;

-- name: move_presets
-- The presets of the merged person, unless the other one has the name.
UPDATE OR IGNORE preset SET person = :kept WHERE person = :merged;

-- name: delete_presets
-- The presets of the other person hold.
DELETE FROM preset WHERE person = :merged;

-- name: give_advice
-- A person gets this advice; no row if they got it before.
INSERT INTO advice_given (person, kind, at_ms) VALUES (:person, :kind, :at_ms)
ON CONFLICT (person, kind) DO NOTHING
RETURNING kind;

-- name: move_advice
-- The kept person has the advice that the merged one got.
UPDATE OR IGNORE advice_given SET person = :kept WHERE person = :merged;

-- name: delete_advice
-- The kept person has the same advice.
DELETE FROM advice_given WHERE person = :merged;

-- name: chat_profiles
-- What hosts decided for their chats.
SELECT platform, chat_id, loras, width_px, height_px, language FROM chat_profile;

-- name: save_chat_profile
-- A host changed what may be drawn in a chat.
INSERT INTO chat_profile (platform, chat_id, loras, width_px, height_px, language)
VALUES (:platform, :chat_id, :loras, :width_px, :height_px, :language)
ON CONFLICT (platform, chat_id) DO UPDATE SET loras = excluded.loras, width_px = excluded.width_px,
                                              height_px = excluded.height_px, language = excluded.language;

-- name: add_chat_profile_change
-- Who changed it.
INSERT INTO chat_profile_change (at_ms, platform, user_id, chat_id, before, after)
VALUES (:at_ms, :platform, :user_id, :chat_id, :before, :after);

-- name: chat_profile_changes
-- The newest changes, newest first.
SELECT at_ms, platform, user_id, chat_id, before, after FROM chat_profile_change ORDER BY id DESC LIMIT :limit;

-- name: move_chat_profile
-- The chat has a new id; what was decided under the new one wins.
UPDATE OR IGNORE chat_profile SET chat_id = :now WHERE platform = :platform AND chat_id = :earlier;
