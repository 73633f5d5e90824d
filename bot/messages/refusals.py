"""The message for each error: what is wrong, and what to do next."""

import os

from bot import errors
from bot.commands.table import SUGAR_OPTIONS
from bot.messages.catalogue import N_, PLATFORM_NAMES, Times, format_time, text
from bot.messages.details import reason, translate_detail
from bot.messages.failures import ENGINE_SENTENCES
from bot.messages.guide import example_of
from bot.messages.problems import format_problem
from engine.errors import EngineError

SENTENCES: dict[type[Exception], str] = {
    errors.SugarbotError: N_("That did not work. Please try again; the host finds the details in the log."),
    # For a person, who can change the request.
    errors.PersonError: N_("I can't do that. /help shows what I can do."),
    errors.NotUnderstood: N_("I don't understand that. /help shows how to ask me."),
    errors.EmptyPrompt: N_("What shall I draw? Write it after the command, like: /sugar a girl, dewy skin"),
    errors.PromptTooLong: N_(
        "Your prompt has {tokens} tokens (pieces of words) and the model reads {limit}. "
        "Please take out about {excess} characters."
    ),
    errors.TextTooLong: N_(
        "Your message has {length} characters and I read {limit}. "
        "A prompt may have about 350 English words or 700 Chinese characters."
    ),
    errors.UnknownCommand: N_("I don't know the command “/{text}”. /help lists what I can do."),
    errors.OldButton: N_(
        "That button belongs to another version of me. Please type the command instead: /help"
    ),
    errors.UnknownFlag: N_("I don't know the option “{flag}”. /help lists all options."),
    errors.FixedSteps: N_(
        "I always draw in {steps} steps, as this model was trained to. Please leave out “{flag}”."
    ),
    errors.NoNegativePrompt: N_(
        "This model takes no negative prompt. Please leave out “{flag}” and describe what you want to see."
    ),
    errors.NoGuidance: N_("This model draws without guidance. Please leave out “{flag}”."),
    errors.MissingValue: N_("“{flag}” needs a value, like: {example}"),
    errors.BadSize: N_("“{text}” is not a size. Write a shape like 2:3, or pixels like 512x768."),
    errors.BadSeed: N_("“{text}” is not a seed. Use a whole number from 0 to {limit}."),
    errors.BadCount: N_("“{text}” is not a number of pictures I can draw at once. Use 1 to {limit}."),
    errors.BadWeight: N_("“{text}” is not a LoRA weight. Use a number from -{limit} to {limit}, like 0.8."),
    errors.TooManyLoras: N_("One picture takes at most {limit} LoRAs. Please leave some out."),
    errors.WeightsTooHigh: N_(
        "These LoRAs are too strong together: their weights add up to {total}, and {limit} is the most. "
        "Within it is: {example}"
    ),
    errors.TextOnly: N_(
        "I only read text so far: pictures, stickers, voice messages and files are not accepted as input "
        "yet. Send me a sentence and I'll draw it."
    ),
    errors.LoraFileSent: N_(
        "I take no LoRA files from a chat. A host of this bot puts the .safetensors file into the LoRA "
        "folder; after that /loras shows it, and --lora with its name draws with it."
    ),
    errors.EditedMessage: N_(
        "I don't follow edits: your first version counts. Please send the new text as a new message."
    ),
    errors.NotAllowed: N_("You can't do this here. Please ask a host of this bot."),
    errors.HostsOnly: N_("Only a host of this bot can use /{command}. Please ask one."),
    errors.ChatNotAllowed: N_(
        "I'm not switched on in this chat yet. A host can add “{chat}” to “allow” in sugarbot.toml."
    ),
    errors.NotYours: N_("Job {job_id} is someone else's. /mine shows yours."),
    errors.NotInPublic: N_("Others can read along here. Please send me /{command} in our own chat."),
    errors.AnonymousSender: N_(
        "You write in the name of this group or a channel, so I can't tell whose credits to use. Write under "
        "your own name (administrators switch off “Remain anonymous”), or to me in private: {link}"
    ),
    errors.NoPrivateChat: N_(
        "I may not write to you in private yet, so I drew nothing and charged nothing. Open a private chat "
        "with me, press Start there, and ask again."
    ),
    errors.NotPossible: N_("That isn't possible right now. Please try again later."),
    errors.UnknownLora: N_("There is no LoRA called “{name}”. /loras shows all of them."),
    errors.SizeNotAllowed: N_("I can't draw {width_px} × {height_px}. Please choose another size."),
    errors.ShapeNotAllowed: N_("I can't draw the shape {shape}: it is too long for this model."),
    errors.NoCreditsLeft: N_(
        "Not enough credits: this needs {price} and you have {credits}. They fill up again at {renews_at}; "
        "fewer or smaller pictures cost less."
    ),
    errors.TooManyWaiting: N_(
        "You have {limit} jobs waiting, which is the most I take. Wait for one, or stop one with /cancel."
    ),
    errors.NoSuchJob: N_("There is no job “{job_id}”. /mine shows yours."),
    errors.PicturesGone: N_(
        "The pictures of job {job_id} are no longer here; its seed and prompt in /mine draw them again."
    ),
    errors.NothingToCancel: N_("There is nothing to cancel: none of your jobs is waiting or being drawn."),
    errors.AlreadyEnded: N_("Job {job_id} has already ended. /mine shows its pictures."),
    errors.Closing: N_(
        "I'm about to restart and take no new jobs. Please try again in a minute; accepted jobs are safe."
    ),
    errors.BadLinkCode: N_(
        "That code does not work: codes work once and for ten minutes. "
        "/link in your other chat gives a new one."
    ),
    errors.OwnLinkCode: N_("That is your own code. Type it in your other chat, as /link with the code."),
    errors.TooManyCodes: N_("Those were too many wrong codes. Please try again in {minutes} min."),
    errors.AlreadyLinked: N_(
        "Each of the two has an account on {platform}, and one person has one. /unlink there first."
    ),
    errors.NotLinked: N_("This chat is not linked to another one. /link links it."),
    errors.CannotSave: N_(
        "I can't save anything right now, so I took nothing on and charged nothing: my host's disk is full "
        "or read-only, or another program holds my database. Please try again in a few minutes."
    ),
    errors.NoDiskSpace: N_(
        "My host's disk is full, so I couldn't keep your picture; I took nothing on and charged nothing. "
        "Please tell the host, and try again later."
    ),
    # For the host, who can correct something.
    errors.OperatorError: N_("Sugarbot can't go on. The log says what to mend."),
    errors.BadSettings: N_("Please correct these settings and start again:\n{problems}"),
    errors.FolderUnusable: N_(
        "The data folder {path} can't be used: {detail}. "
        "Make room, allow writing, or choose another data_dir."
    ),
    errors.OutFolderUnusable: N_(
        "Pictures can't be saved in {path}: {detail}. Choose another folder, or allow writing there."
    ),
    errors.DatabaseNewer: N_(
        "The database {path} was written by a newer Sugarbot (schema {found}, this one knows {known}). "
        "Update Sugarbot, or choose another data_dir."
    ),
    errors.DatabaseInUse: N_("Another Sugarbot is running on {path}. Stop it, or choose another data_dir."),
    errors.DatabaseDamaged: N_(
        "The database {path} is damaged: {detail}. Put a backup in its place, or move it away to begin anew."
    ),
    errors.DatabaseMissing: N_("There is no database {path}. Check the name, or data_dir in sugarbot.toml."),
    errors.DatabaseForeign: N_(
        "{path} is another program's database, so it is left as it is. "
        "Choose another file, or another data_dir in sugarbot.toml."
    ),
    errors.DiskFull: N_("The disk of {path} is full. Make room there and try again; nothing was changed."),
    errors.BackupFailed: N_(
        "No backup was made in {path}: {detail}. Allow writing there, or name another folder with --to; "
        "nothing was changed."
    ),
    errors.RestoreFailed: N_(
        "Nothing was restored in {path}: {detail}. Check the file and the folder and try again; "
        "nothing was changed."
    ),
    errors.TokenMissing: N_("There is no token for {platform}. Set {variable} in the environment."),
    errors.TokenRefused: N_("{platform} refused the token. Make a new one there and set it as {variable}."),
    errors.PortTaken: N_(
        "{host}:{port} is taken by another program. Stop it, or set another web.port in sugarbot.toml."
    ),
    errors.PlatformUnreachable: N_(
        "{platform} can't be reached: {detail}. Check the network, or set a proxy for it in sugarbot.toml."
    ),
    errors.PackageMissing: N_(
        "{platform} is off, because the Python package {package} is not installed. Install Sugarbot with its "
        "extra parts (pip install 'sugarbot[web]'), or turn that chat off in sugarbot.toml."
    ),
    errors.NotStartable: N_("Sugarbot can't start like this. Please correct:\n{problems}"),
    **ENGINE_SENTENCES,
}
UNEXPECTED = N_("Something went wrong on my side. Please try again; the host finds the details in the log.")


def format_error(error: BaseException, locale: str, *, times: Times = "utc") -> str:
    """Return what is wrong and what to do next; an unknown error gets a general sentence."""
    kind = next((kind for kind in type(error).__mro__ if kind in SENTENCES), None)
    if kind is None:
        return _format_system_error(error, locale) if isinstance(error, OSError) else text(UNEXPECTED, locale)
    sentence = text(SENTENCES[kind], locale, **_facts_of(error, locale, times))
    nearest = getattr(error, "facts", {}).get("nearest")
    if not nearest:
        return sentence
    space = "" if locale == "zh-CN" else " "
    return sentence + space + text(N_("Did you mean {nearest}?"), locale, nearest=tuple(nearest))


def _format_system_error(error: OSError, locale: str) -> str:
    """Return what the operating system refused; an OSError without a number comes from a library."""
    if error.errno is None:
        return text(UNEXPECTED, locale)
    why = reason(error, locale)
    if error.filename is None:
        refused = N_("The system refused: {detail}. Try again; if it happens again, restart the machine.")
        return text(refused, locale, detail=why)
    unusable = N_("{path} can't be used: {detail}. Check the path and its permissions, then try again.")
    path = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else str(error.filename)
    return text(unusable, locale, path=path, detail=why)


def _facts_of(error: BaseException, locale: str, times: Times) -> dict[str, object]:
    """Return the error's own facts, and facts derived from them."""
    facts: dict[str, object] = dict(getattr(error, "facts", {}))
    if isinstance(error, EngineError):
        facts["detail"] = str(error)
    if "detail" in facts:
        facts["detail"] = translate_detail(str(facts["detail"]), locale)
    for name in [name for name in facts if name.endswith("_bytes")]:
        facts[f"{name.removesuffix('_bytes')}_gb"] = f"{float(str(facts[name])) / 1e9:.1f}"
    if "renews_at_s" in facts:
        facts["renews_at"] = format_time(float(str(facts["renews_at_s"])), times)
    option = next((each for each in SUGAR_OPTIONS if each.name == facts.get("option")), None)
    if option:
        facts["example"] = example_of(option, locale)
    if "platform" in facts:
        platform = str(facts["platform"])
        facts |= {
            "platform": PLATFORM_NAMES.get(platform, platform),
            "variable": f"{platform.upper()}_TOKEN",
        }
    problems = facts.get("problems")
    if isinstance(problems, list | tuple):
        facts["problems"] = "\n".join(f"- {format_problem(problem, locale)}" for problem in problems)
    return facts
