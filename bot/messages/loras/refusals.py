"""The messages for refused LoRAs, links and downloads."""

from bot import errors
from bot.messages.catalogue import N_

LORA_SENTENCES: dict[type[Exception], str] = {
    errors.LoraRefused: N_("The LoRA “{name}” can't be used, so nothing has changed. ({detail})"),
    errors.LoraNameTaken: N_(
        "Another LoRA called “{name}” is on the shelf. Remove it first with /lora remove {name}, or rename "
        "your file."
    ),
    errors.LoraBuiltIn: N_("“{name}” comes with the built-in model, so it can't be removed."),
    errors.LoraBeingChecked: N_(
        "“{name}” is new or has changed and is being checked: I draw a trial picture first. Please try "
        "again in a moment; nothing was charged."
    ),
    errors.TrialNotDrawn: N_(
        "I couldn't draw the trial picture of “{name}” right now, so nothing has changed. Please try again "
        "in a minute; /gpu shows the state of the card."
    ),
    errors.ShelfNotWritable: N_(
        "The LoRA folder accepts no change ({detail}). Make room or allow writing there; nothing has changed."
    ),
    errors.LinkNotUnderstood: N_(
        "I can't read that link. Send the address of one .safetensors file at huggingface.co or "
        "modelscope.cn, the address of a model at civitai.com, or civitai: and the model's number."
    ),
    errors.LinkNotAllowed: N_(
        "I don't download from {host}, only from huggingface.co, modelscope.cn and civitai.com. Send the "
        "file itself, or put it into the LoRA folder."
    ),
    errors.NotSafetensors: N_(
        "“{name}” is not a .safetensors file, and I take nothing else: other formats can run code. Send a "
        ".safetensors file."
    ),
    errors.DownloadTooLarge: N_(
        "That file is too large: I take at most {limit_mib} MiB here. Put it into the LoRA folder yourself, "
        "or add it by a link."
    ),
    errors.DownloadLeavesNoSpace: N_(
        "That file does not fit on the host's disk, of which a part must stay free: {free_size} are left "
        "for files. Make room there and try again."
    ),
    errors.DownloadMissing: N_("{site} has no such file. Check the link."),
    errors.DownloadNotAllowed: N_(
        "{site} gives this file only to people with an account. Set {setting} in sugarbot.toml to a token of "
        "your account, or download it yourself."
    ),
    errors.DownloadRedirected: N_(
        "The download leads to {host}, which is not a public address of that site, so I stopped. Download it "
        "yourself if you trust it."
    ),
    errors.DownloadFailed: N_("{site} did not send the whole file. Please try again. ({detail})"),
    errors.DownloadDamaged: N_(
        "The file from {site} is not the one that the site announced, so I deleted it. Please try again."
    ),
    errors.DownloadRunning: N_("Your other download, {name}, is still running. Please wait for it."),
}
