"""The message for each error: what is wrong, and what to do next."""

import os

from bot import errors
from bot.commands.table import SUGAR_OPTIONS
from bot.languages import is_chinese
from bot.messages.catalogue import N_, PLATFORM_NAMES, Times, format_time, text
from bot.messages.details import system_error_text, translate_detail
from bot.messages.failures import ENGINE_SENTENCES
from bot.messages.finding.recipes import LORAS_GONE
from bot.messages.guide import example_of
from bot.messages.hosting.claim import CLAIM_SENTENCES
from bot.messages.hosting.refusals import HOSTING_SENTENCES, format_reason
from bot.messages.iterating.refusals import CONTINUING_SENTENCES
from bot.messages.loras.refusals import LORA_SENTENCES
from bot.messages.problems import FINDINGS, format_problem
from bot.messages.storage.damage import DAMAGE_SENTENCES, format_damage
from engine.durable import is_disk_full
from engine.errors import EngineError
from engine.formatting import format_size, in_gib

SENTENCES: dict[type[Exception], str] = {
    errors.SugarbotError: N_(
        "That did not work. Please try again. The host can find the details in the log."
    ),
    # For a person, who can change the request.
    errors.PersonError: N_("I can't do that. /help shows what I can do."),
    errors.NotUnderstood: N_("I don't understand that. /help shows how to use me."),
    errors.EmptyPrompt: N_("What should I draw? Write it after the command, like: /sugar a girl, dewy skin"),
    errors.PromptTooLong: N_(
        "Your prompt has {tokens} tokens (pieces of words), but the model reads at most {limit}. Please "
        "remove about {excess} characters."
    ),
    errors.TextTooLong: N_(
        "Your message has {length} characters, but I read at most {limit}. A prompt can have about 350 "
        "English words or 700 Chinese characters."
    ),
    errors.UnknownCommand: N_("I don't know the command “/{text}”. /help lists what I can do."),
    errors.SlashNeeded: N_(
        "“{text}” is a command and needs its slash: {command}. To draw it as a picture, write: /sugar {text}"
    ),
    errors.OldButton: N_("That button is from another version of me. Please type the command instead: /help"),
    errors.UnknownFlag: N_("I don't know the option “{flag}”. /help lists all options."),
    errors.FixedSteps: N_("This model always draws in the same number of steps. Please leave out “{flag}”."),
    errors.NoGuidance: N_("This model doesn't use guidance (CFG). Please leave out “{flag}”."),
    errors.MissingValue: N_("“{flag}” needs a value, like: {example}"),
    errors.BadSize: N_("“{text}” is not a size. Write a shape like 2:3, or pixels like 512x768."),
    errors.BadSeed: N_("“{text}” is not a seed. Use a whole number from 0 to {limit}."),
    errors.BadCount: N_("I can't draw “{text}” pictures at once. Use a number from 1 to {limit}."),
    errors.NothingToCompare: N_(
        "All pictures would be the same. Name several LoRAs, strengths or seeds, like “--loras "
        "sugar,anime,none”, or several prompts with | between them."
    ),
    errors.TooManyAxes: N_(
        "A sheet can differ in at most {limit} of these: prompts, LoRAs, strengths, seeds. Please give the "
        "others only one value."
    ),
    errors.TooManyCells: N_(
        "These are {count} pictures; a sheet has at most {limit}. Please leave some out."
    ),
    errors.BadPage: N_("“{text}” is not a page. Use a whole number from 1 to {limit}."),
    errors.BadPresetName: N_(
        "“{text}” can't be a name. Use up to {limit} letters, digits, “-” or “_”, without spaces."
    ),
    errors.BadLanguage: N_("I don't speak “{text}”. Choose english, chinese, traditional (Taiwan), or auto."),
    errors.BadSetting: N_(
        "“{text}” is not a setting. /settings shows all; “/settings reset size” resets one."
    ),
    errors.BadWeight: N_("“{text}” is not a LoRA weight. Use a number from -{limit} to {limit}, like 0.8."),
    errors.TooManyLoras: N_(
        "One picture can use at most {limit} LoRAs, with those that they need as helpers. Please leave some "
        "out."
    ),
    errors.StackTooStrong: N_(
        "These LoRAs are too strong together: their weights add up to {total}, the limit is {limit}, and "
        "{name} must not be weaker than {needed}. Please leave one out."
    ),
    errors.BadSubject: N_(
        "“{text}” names no person and no chat. Write a mention, an id, or the platform and the id, like "
        "discord:1234; or “--chat here” for this chat."
    ),
    errors.OwnersOnly: N_("Only the owner of {name} or a host decides who may use it. Please ask them."),
    errors.LorasJoined: N_(
        "“{name}” is a LoRA, too, but behind a comma your description goes on. Write {example} for several "
        "LoRAs. If the word belongs to your description, write it before --lora."
    ),
    errors.StepsDiffer: N_("{names} are made for different numbers of steps. Please choose one of them."),
    errors.StepsNotPossible: N_(
        "{name} is made for {steps} steps, but this model draws in at most {limit}. Please choose another "
        "LoRA."
    ),
    errors.TextOnly: N_(
        "So far I only read text, not pictures, stickers, voice messages or files. Send me a sentence "
        "and I'll draw it."
    ),
    errors.LoraFileSent: N_(
        "I can't take LoRA files from a chat. A host of this bot can put the .safetensors file into the "
        "LoRA folder; then /loras shows it, and you use it with --lora and its name."
    ),
    errors.EditedMessage: N_(
        "I ignore edits: your first version counts. Please send the new text as a new message."
    ),
    errors.NotAllowed: N_("You can't do this here. Please ask a host of this bot."),
    errors.HostsOnly: N_("Only a host of this bot can use /{command}. Please ask one."),
    errors.NotLoggedIn: N_("Only a host can use /{command}. Log in on the page's operator tab first."),
    errors.ChatNotAllowed: N_(
        "I'm not enabled in this chat yet. A host can type “/allow {chat}”, or add it to “allow” in "
        "sugarbot.toml."
    ),
    errors.NotYours: N_("Job {job_id} belongs to someone else. /mine shows yours."),
    errors.LoraNotHere: N_("{name} may not be used in this chat. /loras shows those that may."),
    errors.NotForThatChat: N_(
        "The pictures of job {job_id} can't be published: that chat allows other LoRAs or smaller pictures. "
        "Ask a host."
    ),
    errors.SizeOverLimit: N_(
        "Pictures of this chat are at most as large as {limit}, but this one would be {width_px} × "
        "{height_px}. Draw it in another chat, or ask a host."
    ),
    errors.NotInPublic: N_("Other people can read this chat. Please send me /{command} in a private chat."),
    errors.AnonymousSender: N_(
        "You are posting as this group or a channel, so I can't tell whose credits to use. Post under "
        "your own name (administrators turn off “Remain anonymous”), or write to me in private: {link}"
    ),
    errors.NoPrivateChat: N_(
        "I can't write to you in private yet, so I drew nothing and charged nothing. Open a private chat "
        "with me, press Start there, and try again."
    ),
    errors.NotPossible: N_("That isn't possible right now. Please try again later."),
    errors.UnknownLora: N_(
        "There is no LoRA called “{name}” that you can use here; /loras shows those that you can. If you "
        "expected it, ask the host."
    ),
    errors.SizeNotAllowed: N_("I can't draw {width_px} × {height_px}. Please choose another size."),
    errors.ShapeNotAllowed: N_("I can't draw the shape {shape}: it is too long for this model."),
    errors.NoCreditsLeft: N_(
        "Not enough credits: this costs {price} and you have {credits}. They refill at {renews_at}; "
        "fewer or smaller pictures cost less."
    ),
    errors.TooManyWaiting: N_(
        "You already have {limit} jobs waiting, which is the limit. Wait for one, or stop one with /cancel."
    ),
    errors.AlreadyAsked: N_(
        "You asked for exactly this {seconds} s ago (job {job_id}), so I made no second job. To draw it "
        "once more, add --again, or a seed of your own."
    ),
    errors.UnknownPreset: N_("You have no preset “{name}”. /preset shows yours."),
    errors.TooManyPresets: N_(
        "You have {limit} presets, which is the limit. Delete one with /preset, its name and --delete."
    ),
    errors.PresetTooLong: N_("This preset has {length} characters; the limit is {limit}."),
    errors.NoSuchJob: N_("There is no job “{job_id}”. /mine shows yours."),
    errors.PicturesGone: N_(
        "The pictures of job {job_id} are no longer here. Draw them again with the seed and prompt from "
        "/mine."
    ),
    errors.OriginalsExpired: N_(
        "The originals of job {job_id} have expired; small previews are left, which /mine shows. "
        "/recipe {job_id} draws them again as they were."
    ),
    errors.PicturesDamaged: N_(
        "A picture of job {job_id} is damaged on the host's disk, so I don't send it. /recipe {job_id} shows "
        "its settings and draws it again."
    ),
    errors.NoPictureThere: N_(
        "That message shows no picture of mine. Choose one of my messages with a picture; /mine shows yours."
    ),
    errors.SeveralJobsThere: N_(
        "That message is a list of several jobs. Choose a message with the pictures of one job."
    ),
    errors.NothingToCancel: N_("There is nothing to cancel: none of your jobs is waiting or being drawn."),
    errors.AlreadyEnded: N_("Job {job_id} has already ended. /mine shows its pictures."),
    errors.Closing: N_(
        "I'm about to restart, so I'm not taking new jobs. Please try again in a minute; accepted jobs "
        "are safe."
    ),
    errors.BadLinkCode: N_(
        "That code is not valid: a code works once, for ten minutes. Use /link in your other chat to get "
        "a new one."
    ),
    errors.OwnLinkCode: N_("That is your own code. Type /link and the code in your other chat."),
    errors.TooManyCodes: N_("Too many wrong codes. Please try again in {minutes} min."),
    errors.AlreadyLinked: N_(
        "Both sides have an account on {platform}, but one person can have only one. Use /unlink there first."
    ),
    errors.NotLinked: N_("This chat is not linked to another one. Use /link to link it."),
    errors.CannotSave: N_(
        "I can't save anything right now, so I accepted nothing and charged nothing: my host's disk is "
        "full or read-only, or another program is using my database. Please try again in a few minutes."
    ),
    errors.NoDiskSpace: N_(
        "My host's disk is full, so I couldn't save your picture; I accepted nothing and charged "
        "nothing. Please tell the host and try again later."
    ),
    # About what people find again.
    errors.BadRecipeCode: N_(
        "“{text}” has a typo: its characters don't belong together. Compare it with the code that you were "
        "given; it has three groups of four, like K3F9-7QXM-2AWV."
    ),
    errors.OptionBehindCode: N_(
        "A code draws exactly its recipe, so an option like {example} can't stand behind it; --dry, "
        "--private and --spoiler can. To change the recipe, send /recipe {code}, then its text with your "
        "change."
    ),
    errors.UnknownRecipe: N_("I know no recipe with this code. Is it from another bot, or deleted?"),
    errors.RecipeLoraGone: LORAS_GONE,
    errors.PictureNeeded: N_(
        "Send me the picture file together with /info, and I'll read its settings. In Telegram send it as a "
        "file, because photos lose their settings."
    ),
    errors.NotAPicture: N_("I can't read this file: it is no PNG, WebP or JPEG, or it is damaged."),
    errors.NoSettings: N_(
        "This picture has no settings that I can read. Chats and editors often remove them; try the original "
        "file."
    ),
    errors.NoPicturesYet: N_("You have no pictures yet, so there is nothing to export."),
    errors.ExportRunning: N_("I'm packing your pictures already. They come when they are ready."),
    errors.PictureTooLarge: N_(
        "This file is too large: I read pictures of at most 20 MiB, with settings of at most 256 KiB."
    ),
    # For the host, who can correct something.
    errors.OperatorError: N_("Sugarbot can't continue. The log says what to fix."),
    errors.BadSettings: N_("Please correct these settings and start again:\n{problems}"),
    errors.FolderUnusable: N_(
        "The data folder {path} can't be used: {detail}. "
        "Make room, allow writing, or choose another data_dir."
    ),
    errors.DataFolderForeign: FINDINGS["data_foreign"],
    errors.OutFolderUnusable: N_(
        "Pictures can't be saved in {path}: {detail}. Choose another folder, or allow writing there."
    ),
    errors.DatabaseNewer: N_(
        "The database {path} was written by a newer Sugarbot (schema {found}, this one knows {known}). "
        "Update Sugarbot, or choose another data_dir."
    ),
    errors.DatabaseInUse: N_("Another Sugarbot is using {path}. Stop it, or choose another data_dir."),
    errors.DatabaseMissing: N_("There is no database {path}. Check the name, or data_dir in sugarbot.toml."),
    errors.DatabaseForeign: N_(
        "{path} is another program's database, so it was not changed. Choose another file, or another "
        "data_dir in sugarbot.toml."
    ),
    errors.DiskFull: N_("The disk of {path} is full. Make room there and try again; nothing was changed."),
    errors.BackupFailed: N_(
        "No backup was made in {path}: {detail}. Allow writing there, or choose another folder with "
        "--to; nothing was changed."
    ),
    errors.RestoreFailed: N_(
        "Nothing was restored in {path}: {detail}. Check the file and the folder and try again; "
        "nothing was changed."
    ),
    errors.MigrationFailed: N_(
        "{path} can't be migrated to this version: {detail}. Use it with the version of Sugarbot that wrote "
        "it, and report this; nothing was changed."
    ),
    errors.BackupUnsound: N_(
        "{path} is not sound, so it was not restored and nothing was changed. Take another backup; with "
        "`--anyway` credits and results that don't add up are accepted:\n{problems}"
    ),
    errors.TokenRefused: N_("{platform} refused the token. Create a new one there and set it as {variable}."),
    errors.PortTaken: N_(
        "{host}:{port} is in use by another program. Stop it, or set another web.port in sugarbot.toml."
    ),
    errors.UnknownCard: N_("I don't know the card “{name}”. Ask about one of these with --card: {cards}."),
    errors.NoCard: N_(
        "This machine has no card that I can use. Ask about one of these with --card: {cards}."
    ),
    errors.PlatformUnreachable: N_(
        "{platform} can't be reached: {detail}. Check the network, or set a proxy for it in sugarbot.toml."
    ),
    errors.PackageMissing: N_(
        "{platform} is off because the Python package {package} is not installed. Install Sugarbot with "
        "its extras (pip install 'sugarbot[web]'), or turn that chat off in sugarbot.toml."
    ),
    errors.NotStartable: N_("Sugarbot can't start yet. Please correct:\n{problems}"),
    **CLAIM_SENTENCES,
    **CONTINUING_SENTENCES,
    **DAMAGE_SENTENCES,
    **HOSTING_SENTENCES,
    **LORA_SENTENCES,
    **ENGINE_SENTENCES,
}
_ENGINE_KINDS = {kind.__name__: kind for kind in ENGINE_SENTENCES}
UNEXPECTED = N_(
    "Something went wrong on my side. Please try again. The host can find the details in the log."
)


def format_error(error: BaseException, locale: str, *, times: Times = "utc") -> str:
    """Return what is wrong and what to do next; an unknown error gets a general sentence."""
    kind = next((kind for kind in type(error).__mro__ if kind in SENTENCES), None)
    if isinstance(error, errors.LoraRefused):
        kind = _ENGINE_KINDS.get(str(error.facts.get("reason")), kind)
    if kind is None:
        return _format_system_error(error, locale) if isinstance(error, OSError) else text(UNEXPECTED, locale)
    sentence = text(SENTENCES[kind], locale, **_facts_of(error, locale, times))
    nearest = getattr(error, "facts", {}).get("nearest")
    more = text(N_("Did you mean {nearest}?"), locale, nearest=tuple(nearest)) if nearest else ""
    more = more or format_reason(error, locale) or format_damage(error, locale)
    return sentence + ("" if is_chinese(locale) or not more else " ") + more


def _format_system_error(error: OSError, locale: str) -> str:
    """Return what the operating system refused; an OSError without a number comes from a library."""
    if error.errno is None:
        return text(UNEXPECTED, locale)
    why = system_error_text(error, locale)
    if is_disk_full(error):
        return _format_full_disk(error, why, locale)
    if error.filename is None:
        refused = N_("The system refused: {detail}. Try again; if it happens again, restart the machine.")
        return text(refused, locale, detail=why)
    unusable = N_("{path} can't be used: {detail}. Check the path and its permissions, then try again.")
    return text(unusable, locale, path=_path_of(error), detail=why)


def _format_full_disk(error: OSError, why: str, locale: str) -> str:
    if error.filename is None:
        return text(N_("Nothing can be written: {detail}. Make room and try again."), locale, detail=why)
    full = N_("{path} can't be written: {detail}. Make room there and try again.")
    return text(full, locale, path=_path_of(error), detail=why)


def _path_of(error: OSError) -> str:
    return os.fsdecode(error.filename) if isinstance(error.filename, bytes) else str(error.filename)


def _facts_of(error: BaseException, locale: str, times: Times) -> dict[str, object]:
    """Return the error's own facts, and facts derived from them."""
    facts: dict[str, object] = dict(getattr(error, "facts", {}))
    if isinstance(error, EngineError):
        facts["detail"] = str(error)
    if "detail" in facts:
        facts["detail"] = translate_detail(str(facts["detail"]), locale)
    for name in [name for name in facts if name.endswith("_bytes")]:
        count_bytes = int(str(facts[name]))
        facts[f"{name.removesuffix('_bytes')}_gib"] = in_gib(count_bytes)
        facts[f"{name.removesuffix('_bytes')}_size"] = format_size(count_bytes)
    if "limit_bytes" in facts:
        facts["limit_mib"] = int(str(facts["limit_bytes"])) // 2**20
    for name in ("renews_at_s", "until_s"):
        if name in facts:
            facts[name.removesuffix("_s")] = format_time(float(str(facts[name])), times)
    option = next((each for each in SUGAR_OPTIONS if each.name == facts.get("option")), None)
    if option:
        facts["example"] = example_of(option, locale)
    if "platform" in facts:
        platform = str(facts["platform"])
        facts["platform"] = PLATFORM_NAMES.get(platform, platform)
        facts["variable"] = f"{platform.upper()}_TOKEN"
    problems = facts.get("problems")
    if isinstance(problems, list | tuple):
        facts["problems"] = "\n".join(f"- {format_problem(problem, locale)}" for problem in problems)
    return facts
