"""The messages of ``sugarbot upgrade``."""

from bot.messages.catalogue import N_, text

FINDINGS = {
    "python": N_("Python {version}; the packages were checked when Sugarbot was installed"),
    "python_old": N_("This is Python {version}; this version of Sugarbot needs {needed} or newer."),
    "packages_fit": N_("Python {version}, and every package has the version that this one was tested with"),
    "packages_missing": N_("These packages are missing: {parts}. Install again: make setup"),
    "packages_differ": N_("This version was tested with {parts}. To install those: make setup"),
    "driver": N_("driver {driver}, for CUDA {cuda}"),
    "driver_old": N_(
        "The card's driver {driver} is too old for CUDA {cuda}. Install driver {needed} or newer."
    ),
    "bot_runs": N_("in use by a running Sugarbot; stop it before you start this version"),
    "database_current": N_("schema {found}; nothing to migrate"),
    "database_behind": N_("schema {found}; the next start copies it and migrates it to {known}:"),
    "migration": "{name}: {what}",
    "rehearsed": N_("a copy was migrated and is sound, in {seconds} s"),
    "not_rehearsed": N_("not tried on a copy, because {path} has too little space for one"),
    "space": N_("{path} has {free} MiB free; a copy of the database and the reserve need {needed} MiB"),
    "space_short": N_(
        "{path} has {free} MiB free, but a copy of the database and the reserve need {needed} MiB. Make room."
    ),
    "model_named": "{name}",
    "copy_stale": N_(
        "The converted weights in {path} were made from other files, so they are not used. "
        "`sugarbot setup` converts again."
    ),
    "settings_read": N_("read without a fault"),
}
MIGRATION_REASONS = (
    N_("the first schema."),
    N_("a person asks on one platform for a code and types it on another, and is one person from then on."),
    N_(
        "what the desk answered to a stored event is kept until the chat has sent it: after a crash the same "
        "event gets the same answer, and nothing is done twice."
    ),
    N_("a picture that a platform has already is shown again by its name there, without a second upload."),
    N_(
        "a job whose pictures the host's disk cannot take fails with a reason of its own, 'disk_full', so "
        "that its person reads the cause."
    ),
    N_("people see what they typed, and the trigger words of the LoRAs apart."),
    N_("the owner of a LoRA decides who may use it, and may take it back at once."),
    N_(
        "hosts change the shelf and its defaults from chats, so the database records who changed what, and "
        "when."
    ),
    N_(
        "a LoRA file is offered once its trial picture is good; a restart must not draw all trial pictures "
        "again."
    ),
    N_("a prompt may have alternatives, and each picture of a job draws its own."),
    N_(
        "a reply to a picture finds the job whose settings it means, also after a restart, in an album and "
        "under a picture that was sent again; and a person who deletes a job deletes its messages."
    ),
    N_("consent is for a content, and files are renamed and copied."),
    N_("what a person always wants is kept once, and holds on every platform that the person has linked."),
    N_(
        "a job may continue from an earlier one: draw it again, begin with one of its pictures, or change "
        "its text."
    ),
    N_(
        "people find their pictures again: by words, as favourites, and by recipe codes that work in every "
        "chat."
    ),
    N_("what cannot work is explained to each person once, and never again."),
    N_(
        "one job draws a sheet of small pictures, and each of them has its own prompt, LoRAs, strengths and "
        "seed."
    ),
    N_("hosts decide what may be drawn in a chat, and the database records who decided it, and when."),
    N_(
        "hosts decide in a chat who else is a host, who may use the bot and who may not, besides what the "
        "settings say; and the database records what hosts did, and when."
    ),
    N_(
        "hosts get one private message when something goes wrong and one when it works again; a restart "
        "repeats neither."
    ),
    N_(
        "a host pauses the drawing, or lets the queue run empty; both last until a host ends them, also "
        "over a restart."
    ),
    N_(
        "a picture whose file was damaged on the disk is recognised when it is read, and not sent as if "
        "it were whole."
    ),
    N_("hosts grant credits and daily allowances in chats, and the ledger names who did it."),
    N_("hosts see what the bot did in the last days, and what it refused, also over restarts."),
    N_(
        "an original is replaced by a small preview after some days, so that the disk holds more "
        "pictures; /mine says so."
    ),
    N_("a picture's file has the name of its content, so equal pictures are one file."),
    N_("the message with the pictures says which size was asked for, if the model draws only a near one."),
)
"""The first sentence of each file in ``migrations``, in order; a test compares them."""

STEPS = N_(
    "How to upgrade; this command installs nothing:\n"
    "1. Back up: sugarbot db backup\n"
    "2. Stop the bot.\n"
    "3. Get the new version (git pull) and install it as you installed this one: make setup · uv tool "
    "install --reinstall '.[web]' · docker compose up --detach --build\n"
    "4. See what its start will do: sugarbot upgrade --check\n"
    "5. Start the bot. It copies the database and migrates it.\n"
    "To go back: install the old version, then: sugarbot db restore FILE, with the backup of step 1"
)


def verdict(is_ready: bool, locale: str) -> str:
    """Return the last line of the check."""
    if is_ready:
        return text(N_("Ready: this version can start."), locale)
    return text(N_("Not ready: repair what is marked with ✗ first."), locale)
