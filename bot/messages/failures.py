"""The messages for failures of the engine: to a person about a job, to the host about model, LoRA and worker.

A ``{detail}`` is the engine's own line, for the host.
"""

from bot.messages.catalogue import N_
from engine import errors
from engine.request import FailReason

FAIL_SENTENCES: dict[FailReason, str] = {
    FailReason.OUT_OF_MEMORY: N_("The card ran out of memory. Try a smaller size or fewer pictures."),
    FailReason.PROMPT_TOO_LONG: N_("The prompt was longer than the model can read. Please shorten it."),
    FailReason.LORA_MISSING: N_("The LoRA's file was removed or changed in the meantime. Please try again."),
    FailReason.LORA_REJECTED: N_("The LoRA's file doesn't work with this model. Please choose another LoRA."),
    FailReason.BLANK_PICTURE: N_("The picture came out blank. Try another seed, or a lower LoRA weight."),
    FailReason.WORKER_ERROR: N_("Something went wrong while drawing. Please try again."),
    FailReason.LORA_WITHDRAWN: N_(
        "A LoRA of this job may not be used any more, so I stopped. Please draw again with another LoRA."
    ),
    FailReason.START_MISSING: N_(
        "The picture that this begins with was deleted or damaged in the meantime, so I drew nothing. Please "
        "choose another."
    ),
    FailReason.DISK_FULL: N_(
        "My host's disk is full, so the picture could not be saved. Please tell the host and try again later."
    ),
}

ENGINE_SENTENCES: dict[type[Exception], str] = {
    errors.EngineError: N_("Drawing failed. Please try again. The host can find the details in the log."),
    errors.ModelError: N_("The model can't be loaded. Check engine.model in sugarbot.toml. ({detail})"),
    errors.ModelMissing: N_("No model was found. Check engine.model in sugarbot.toml. ({detail})"),
    errors.ModelNotDownloaded: N_(
        "The model isn't downloaded yet. `sugarbot setup` downloads it. ({detail})"
    ),
    errors.ModelUnreachable: N_(
        "The model can't be downloaded. Check the network, and HTTPS_PROXY behind a proxy; or choose a "
        "mirror (engine.endpoint), ModelScope or a folder: `sugarbot setup` asks for it. ({detail})"
    ),
    errors.ModelDamaged: N_(
        "{path} had another content than the published file, so it was removed. Run `sugarbot setup` again; "
        "if it happens again, choose another source there."
    ),
    errors.NoRoomForModel: N_(
        "The model needs {needed_gib} GiB in {folder}, but only {free_size} are free. Make room, or set "
        "another data_dir in sugarbot.toml."
    ),
    errors.ModelIncomplete: N_("The model's folder is incomplete. Download the model again. ({detail})"),
    errors.ModelNeedsGuidance: N_(
        "{path} is not a Turbo model: its time shift is {shift}, and Turbo's is 3. Such a model draws only "
        "with guidance and many steps, which this bot does not use. Set engine.model to Z-Image-Turbo, or, "
        "if it is a distillation, name its steps in sugarbot.json in that folder."
    ),
    errors.ModelNotConverted: N_(
        "The transformer of {folder} is a published single file. `sugarbot setup` converts it."
    ),
    errors.ModelTooLarge: N_(
        "The card does not have enough memory for the model. Close other programs that use it, or set "
        "another engine.device or engine.model in sugarbot.toml. ({detail})"
    ),
    errors.NoPlanFits: N_(
        "The card has too little free memory for this model: even the smallest plan needs {needed_gib} GiB, "
        "{missing_gib} GiB more than is free. Close other programs that use the card, or set "
        'engine.precision = "auto".'
    ),
    errors.NoRoomForCopy: N_(
        "The converted weights need {needed_gib} GiB in {folder}, but only {free_size} are free. Make "
        "room, or set another data_dir in sugarbot.toml."
    ),
    errors.ConversionRunning: N_(
        "Another `sugarbot setup` is converting weights in {folder}. Wait for it to finish."
    ),
    errors.LoraRejected: N_("The LoRA “{name}” can't be used. Please choose another; /loras shows them."),
    errors.LoraDamaged: N_("The file of the LoRA “{name}” is damaged. Copy or download it again. ({detail})"),
    errors.LoraTruncated: N_("The file of the LoRA “{name}” is incomplete. Copy or download it again."),
    errors.LoraPickled: N_(
        "The file of the LoRA “{name}” is a pickle, which could run code. Get a safetensors file instead."
    ),
    errors.LoraNotAFile: N_(
        "“{name}” is a link, or may not be read. Put the file itself into the LoRA folder, and allow reading "
        "it; links are not followed."
    ),
    errors.LoraNotRegular: N_(
        "“{name}” is no regular file, but a folder, a device or a pipe. Use the .safetensors file itself."
    ),
    errors.LoraNameRefused: N_(
        "“{name}” can't be a LoRA's name. Rename the file: at most {limit} characters with its folders, at "
        'most {depth} folders, no : < > " or \\ and no hidden characters, no space or dot at the start or '
        "end, and not a word such as none or default."
    ),
    errors.LoraNameShared: N_(
        "“{name}” is too similar to “{other}”, which is on the shelf: people would confuse them. "
        "Rename one of the files."
    ),
    errors.LoraNameBuiltIn: N_(
        "“{other}” is the name of a built-in LoRA. Give the file “{name}” another name."
    ),
    errors.LoraTooLarge: N_(
        "The file of the LoRA “{name}” is larger than any LoRA of this model. Is it a whole model? ({detail})"
    ),
    errors.LoraUnsupported: N_(
        "The LoRA “{name}” has a format I can't load. Convert it to a standard LoRA in safetensors. "
        "({detail})"
    ),
    errors.LoraIncomplete: N_(
        "The file of the LoRA “{name}” lacks tensors that belong together. Download it again, or ask its "
        "author. ({detail})"
    ),
    errors.LoraRankRefused: N_(
        "The rank of the LoRA “{name}” is too high. Get a smaller version of it. ({detail})"
    ),
    errors.LoraScaleRefused: N_(
        "The LoRA “{name}” doesn't say how strong it is, so its pictures would be wrong. Get a version that "
        "was saved with its alpha. ({detail})"
    ),
    errors.LoraForTextEncoder: N_(
        "The LoRA “{name}” also changes the text encoder, which I don't support. Get a version for the "
        "picture model alone. ({detail})"
    ),
    errors.LoraNamedTwice: N_(
        "The file of the LoRA “{name}” changes the same weights twice, so it can't be right. Download "
        "another version. ({detail})"
    ),
    errors.LoraNotFinite: N_(
        "The LoRA “{name}” holds infinite or invalid numbers: its training failed, or the file is damaged. "
        "Download another version. ({detail})"
    ),
    errors.LoraTooStrong: N_(
        "The numbers of the LoRA “{name}” are far too large, so every picture with it would be spoiled. "
        "Download another version. ({detail})"
    ),
    errors.LoraAllZero: N_(
        "The LoRA “{name}” is empty: all its numbers are zero, so it would change nothing. Download another "
        "version."
    ),
    errors.LoraForAnotherModel: N_(
        "The LoRA “{name}” was made for another model. Choose one that was trained for this one. ({detail})"
    ),
    errors.LoraSidecarRefused: N_(
        "The sidecar of the LoRA “{name}” can't be read, so nobody knows who may use it. Correct the .toml "
        "beside the file. ({detail})"
    ),
    errors.LoraSidecarAlone: N_(
        "“{name}” is beside no LoRA file, so nothing that it says counts. Give it the name of its file, or "
        "delete it."
    ),
    errors.LoraTableRefused: N_(
        "“{name}” is not read any more. For each LoRA, move its lines to a file NAME.toml beside "
        "NAME.safetensors, write title.en as titles.en, and delete this one."
    ),
    errors.LoraPinBroken: N_(
        "The file of the LoRA “{name}” is not the one that is pinned. Bring the pinned file back, or check "
        "the new one and pin it with `sugarbot lora pin`."
    ),
    errors.LoraFolderTooLarge: N_(
        "“{name}” has more than {limit} files, so I don't read the rest. Set engine.lora_dir to a folder of "
        "LoRAs alone."
    ),
    errors.LoraWithoutEffect: N_(
        "The LoRA “{name}” changes nothing: my trial picture with it is the one without it. Was it made for "
        "this model?"
    ),
    errors.LoraDrawsBlank: N_(
        "The LoRA “{name}” spoils pictures: my trial picture with it came out blank. Try a lower weight in "
        "its sidecar, or another file."
    ),
    errors.LoraMissing: N_("The file of the LoRA “{name}” was removed or changed. Please try again."),
    errors.RenderError: N_("This picture could not be drawn. Please try again."),
    errors.OutOfMemory: N_(
        "The card does not have enough memory for this picture. Try a smaller size or fewer pictures."
    ),
    errors.PromptOverLimit: N_("The prompt is longer than the model can read. Please shorten it."),
    errors.StartDamaged: N_(
        "The picture that this begins with is damaged. Please choose another. ({detail})"
    ),
    errors.BlankPicture: N_("The result was blank. Try another seed, or a lower LoRA weight."),
    errors.WorkerLost: N_(
        "The drawing process stopped. It restarts by itself; please try again in a minute."
    ),
    errors.JobNotStarted: N_(
        "The drawing process stopped before it started this picture. It restarts by itself and draws it then."
    ),
    errors.WorkerNotReady: N_(
        "The drawing process did not start. See the log, or run: sugarbot doctor ({detail})"
    ),
    errors.WireError: N_(
        "The drawing process sent an invalid answer and is restarting. Please try again in a minute."
    ),
}
