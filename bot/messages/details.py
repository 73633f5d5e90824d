"""Translates the technical line of an error into the host's language.

Engine, operating system and database describe an error in one English line, which is right for a log. Each
known line has a translation here; an unknown line of a library stays English.
"""

import errno
import os
import re

from bot.messages.catalogue import N_, text
from engine.shelf.sidecar import PROBLEMS_JOINT

_SYSTEM_ERRORS: dict[int | None, str] = {
    errno.ENOENT: N_("no such file or folder"),
    errno.EACCES: N_("permission denied"),
    errno.EPERM: N_("operation not permitted"),
    errno.EISDIR: N_("it is a folder"),
    errno.ENOTDIR: N_("it is not a folder"),
    errno.EEXIST: N_("it already exists"),
    errno.ENOTEMPTY: N_("the folder is not empty"),
    errno.ENOSPC: N_("the disk is full"),
    errno.EDQUOT: N_("the disk quota is used up"),
    errno.EFBIG: N_("the file is too large"),
    errno.EROFS: N_("the file system is read-only"),
    errno.EIO: N_("the disk failed to read or write"),
    errno.ENAMETOOLONG: N_("the name is too long"),
    errno.ELOOP: N_("too many links"),
    errno.EMFILE: N_("too many open files"),
    errno.ENFILE: N_("too many open files"),
    errno.ENOMEM: N_("out of main memory"),
    errno.EAGAIN: N_("the system has no free process or memory"),
    errno.EBUSY: N_("it is in use"),
    errno.ETXTBSY: N_("it is in use"),
    errno.EXDEV: N_("the folders are on different disks"),
    errno.ECONNREFUSED: N_("connection refused"),
    errno.ECONNRESET: N_("connection reset"),
    errno.EHOSTUNREACH: N_("no route to the host"),
    errno.ENETUNREACH: N_("no network"),
    errno.ETIMEDOUT: N_("no answer in time"),
    errno.EADDRINUSE: N_("the address is in use"),
    errno.EADDRNOTAVAIL: N_("the address is not available"),
    errno.EPIPE: N_("the reader of the output is gone"),
}
_SQLITE_ERRORS = {
    "database or disk is full": N_("the disk is full"),
    "attempt to write a readonly database": N_("the file system is read-only"),
    "unable to open database file": N_("it cannot be opened"),
    "disk I/O error": N_("the disk failed to read or write"),
    "database is locked": N_("it is in use"),
    "file is not a database": N_("it is not a database"),
    "database disk image is malformed": N_("its content is malformed"),
    "it contains no jobs table": N_("it contains no jobs table"),
    "its text is not UTF-8": N_("its text is not UTF-8"),
}
_ENGINE_LINES = (
    N_("CPU, {threads} threads"),
    N_("{path} is not a folder."),
    N_("{path} lacks {parts}."),
    N_("{path} has a wrong {part}."),
    N_("{path} has a broken {part}."),
    N_("{name} is not a folder on this machine, and engine.revision is not a commit of 40 digits."),
    N_("{name}: the download ended with status {status}."),
    N_("{name} is not on this machine."),
    N_("{name}: the answer is no list of files"),
    N_("{path} changed while it was converted."),
    N_("{path} cannot be loaded. {detail}"),
    N_("This machine has no device {name}."),
    N_("The worker ended with status {status}."),
    N_("The worker process could not be started: {detail}."),
    N_("The worker was lost at its first pictures: {detail}"),
    N_("The worker was not ready within {seconds} s."),
    N_("The worker ended while it started, with status {status}."),
    N_("The measurement took more than {seconds} s and was stopped."),
    N_("The file has {count} bytes; at most {limit} are allowed."),
    N_("The file has {count} tensors; at most {limit} are allowed."),
    N_("The header has {count} bytes; at most {limit} are allowed."),
    N_("The LoRA changes modules that the model does not have: {parts}."),
    N_("The file has no tensors."),
    N_("Two tensors are for the same matrix: {parts}."),
    N_("The LoRA's matrices have other sizes than the model's: {parts}."),
    N_("The header's metadata is not an object of strings."),
    N_("The file has more than {limit} entries of metadata."),
    N_("These tensors are for the text encoder, which is not changed: {parts}."),
    N_("These tensors belong to no supported LoRA layout: {parts}."),
    N_("These names are for the same weights: {parts}."),
    N_("The numbers of these modules have an unsupported format: {parts}."),
    N_("The alpha of these modules is not one number: {parts}."),
    N_("Tensors of these modules are missing, or belong to two updates: {parts}."),
    N_("Numbers of {name} are infinite or not numbers."),
    N_("The LoRA changes {name} by up to {count}; at most {limit} is allowed."),
    N_("The matrices of these modules do not fit each other: {parts}."),
    N_("The magnitudes of these modules are not those of a weight's rows: {parts}."),
    N_("The rank of {path} is {rank}; only 1 to {limit} are allowed."),
    N_("The LoRA needs {count} bytes of memory; at most {limit} are allowed."),
    N_("Numbers of {path} are infinite or not numbers."),
    N_("The LoRA changes {path} by up to {count}; at most {limit} is allowed."),
    N_("The metadata have too many characters."),
    N_("The metadata are no JSON object."),
    N_("The metadata have a wrong {path}."),
    N_("The metadata describe an adapter of the kind {kind}."),
    N_("The LoRA was made with {kind}, which changes the model itself, too."),
    N_("The metadata have a pattern that is no module's name: {part}."),
    N_("The metadata have patterns but no alpha."),
    N_("The metadata have no rank for {path}."),
    N_("The metadata say rank {rank} for {path}, whose matrices have rank {count}."),
    N_("The metadata say DoRA, but these modules have no magnitudes: {parts}."),
    N_("The file cannot be read: {detail}."),
    N_("The file changed while it was read."),
    N_("The file ends within its header."),
    N_("The header is not JSON."),
    N_("The header is not JSON, or has too long a name."),
    N_("The file is a pickle, not safetensors."),
    N_("The file is a {kind} archive, not safetensors."),
    N_("The file is not safetensors."),
    N_("The header's entry {part} is malformed."),
    N_("The tensors overlap or leave gaps."),
    N_("The file ends before its last tensor."),
    N_("The file has data after its last tensor."),
    N_("NVML does not answer: {detail}"),
    N_("NVML does not answer in time"),
    N_("NVML shows no card for {name}"),
    N_("main memory, because {detail}"),
    N_("no card is visible"),
)
_NETWORK_LINES = (
    N_("no connection"),
    N_("the proxy does not answer"),
    N_("connected too often in the last day; the next time is in {seconds} s"),
    N_("no answer in {seconds} s"),
)
_CLASS_LINES = (  # of errors without their own line
    N_("The engine failed."),
    N_("The model cannot be loaded."),
    N_("There is no model at this path."),
    N_("The model is not downloaded yet."),
    N_("The model could not be downloaded."),
    N_("The model folder lacks parts that a Z-Image pipeline needs."),
    N_("The card has no room for the model's weights."),
    N_("The safetensors file is damaged."),
    N_("The file is larger than any LoRA for this model."),
    N_("The LoRA's layout or number format is not supported."),
    N_("Two updates of the LoRA are for the same weights."),
    N_("Tensors of the LoRA that belong together are missing or do not fit each other."),
    N_("The LoRA has a rank beyond what is drawn."),
    N_("The LoRA's metadata do not say how strong it is."),
    N_("The LoRA also changes the text encoder."),
    N_("The start picture is not a file that the worker made, or it is damaged."),
    N_("Numbers of the LoRA are infinite or not numbers."),
    N_("Numbers of the LoRA are too large for the model's number format."),
    N_("All changes that the LoRA makes are zero."),
    N_("The LoRA was made for another model."),
    N_("Numbers of the LoRA are infinite or not numbers."),
    N_("Numbers of the LoRA are too large for the model's number format."),
    N_("All changes that the LoRA makes are zero."),
    N_("The NAME.toml beside the file cannot be read, so nobody knows who may use the LoRA."),
    N_("The worker process could not be started."),
)
_SIDECAR_LINES = (  # of one sidecar, several with PROBLEMS_JOINT between them
    N_("it is no regular file, or may not be read"),
    N_("it has more than {count} bytes"),
    N_("it has more than {count} times “{sign}”"),
    N_("it is not UTF-8"),
    N_("it is not TOML"),
    N_("line {line} is not TOML"),
    N_("it has an unknown field"),
    N_("{field} is not a field of a sidecar"),
    N_("{field} must be a text of at most {limit} characters"),
    N_("{field} must be a number from {least} to {limit}"),
    N_("titles must be a table of texts of at most {limit} characters by language"),
    N_("steps must be a whole number from 1 to {limit}"),
    N_("kind must be face, style or helper"),
    N_("helpers must be a list of at most {limit} names, each with or without :weight"),
    N_("depicts_person must be true or false"),
    N_("owner must be platform:id"),
    N_("{field} must be a list of at most {limit} times platform:id or platform:*"),
    N_("expires must be a date, or a time with its offset"),
    N_("sha256 must be 64 digits from 0 to f"),
    N_("weight must be between least_weight and most_weight"),
)
KNOWN_LINES = (*_CLASS_LINES, *_ENGINE_LINES, *_NETWORK_LINES, *_SIDECAR_LINES)
_FIELD = re.compile(r"\\\{(\w+)\\\}")


def _pattern(sentence: str) -> re.Pattern[str]:
    return re.compile(_FIELD.sub(r"(?P<\1>.+?)", re.escape(sentence)), re.DOTALL)


_PATTERNS = {_pattern(sentence): sentence for sentence in KNOWN_LINES}
_SYSTEM_LINES = {
    os.strerror(number): sentence for number, sentence in _SYSTEM_ERRORS.items() if number
} | _SQLITE_ERRORS


def translate_detail(line: str, locale: str) -> str:
    """Translate a line; an unknown line stays unchanged.

    Args:
        line: The English line of the engine, the operating system or SQLite.
        locale: One of ``LOCALES``.
    """
    if locale == "en":
        return line
    if line in _SYSTEM_LINES:
        return text(_SYSTEM_LINES[line], locale)
    if len(parts := line.split(PROBLEMS_JOINT)) > 1:
        return PROBLEMS_JOINT.join(translate_detail(part, locale) for part in parts)
    for pattern, sentence in _PATTERNS.items():
        if found := pattern.fullmatch(line):
            facts = {name: translate_detail(value, locale) for name, value in found.groupdict().items()}
            return text(sentence, locale, **facts)
    return line


def system_error_text(error: OSError, locale: str) -> str:
    """Return why the operating system refused, without the path."""
    known = _SYSTEM_ERRORS.get(error.errno)
    return text(known, locale) if known else error.strerror or str(error) or type(error).__name__
