"""What can go wrong in the engine, and who can mend it.

* EngineError
  x ModelError                      the host (the person) mends the checkpoint or the setting
    + ModelMissing                  there is no such folder or revision
      - ModelNotDownloaded          it was not fetched yet; `sugarbot setup` fetches it
      - ModelUnreachable            it cannot be fetched: the network, the Hub, the proxy or the disk
    + ModelIncomplete               parts are missing or not ours to load
    + ModelTooLarge                 the card has no room for the weights
    + NoRoomForCopy                 the disk has no room for the converted weights
    + ConversionRunning             another process converts in this data folder
  x LoraRejected                    the host replaces the file; nothing of it reached the card
    + LoraDamaged                   not an intact safetensors file
      - LoraTruncated · LoraPickled
    + LoraNotAFile                  a link, a folder, a pipe: anything but a regular file of ours
    + LoraNameRefused               its file name is not a name people can type
    + LoraTooLarge                  more bytes, header or tensors than any real LoRA has
    + LoraUnsupported               a layout, number format or rank that is not loaded here
    + LoraForAnotherModel           its shapes or modules are not this model's
    + LoraTableRefused              loras.toml beside the files cannot be read
    + LoraMissing                   no file with this name and hash
  x RenderError                     one job failed; the worker goes on
    + OutOfMemory
    + PromptTooLong
    + BlankPicture
  x WorkerLost                      the worker process ended; the host starts another, the job goes back
    + NotBegun                      … while it drew another job; this one goes back and has lost no try
  x WorkerNotReady                  the worker could not be started
  x WireError                       the two processes misunderstand each other; the worker is ended

Each class's docstring is its default message in plain English; its attributes are the facts. People read
these in their own language through ``bot.messages``.
"""

from engine.printable import printable
from engine.request import FailReason


class EngineError(Exception):
    """The engine failed."""

    def __init__(self, message: str = "", **facts: object) -> None:
        """Make the error; files may have chosen names in its text, so control characters are written out."""
        super().__init__(printable(message) or type(self).__doc__ or "")
        self.facts = {name: _printable(fact) for name, fact in facts.items()}


def _printable(fact: object) -> object:
    match fact:
        case str():
            return printable(fact)
        case tuple():
            return tuple(map(_printable, fact))
    return fact


class ModelError(EngineError):
    """The model cannot be loaded."""


class ModelMissing(ModelError):
    """There is no model at this place."""


class ModelNotDownloaded(ModelMissing):
    """The model is not downloaded yet."""


class ModelUnreachable(ModelMissing):
    """The model could not be downloaded."""


class ModelIncomplete(ModelError):
    """The model folder lacks parts that a Z-Image pipeline needs."""


class ModelTooLarge(ModelError):
    """The card has no room for the model's weights."""


class NoRoomForCopy(ModelError):
    """The disk has no room for a converted copy of the weights."""


class ConversionRunning(ModelError):
    """Another process is converting weights in this data folder."""


class LoraRejected(EngineError):
    """This LoRA file cannot be used."""

    reason = FailReason.LORA_REJECTED


class LoraDamaged(LoraRejected):
    """The file is not an intact safetensors file."""


class LoraTruncated(LoraDamaged):
    """The file ends before its tensors do, or goes on after them."""


class LoraPickled(LoraDamaged):
    """The file is a pickle or an archive, which may run code; only safetensors is read."""


class LoraNotAFile(LoraRejected):
    """Only regular files that lie in the LoRA folder itself are read; links are not followed."""


class LoraNameRefused(LoraRejected):
    """The file name is not made of a-z, 0-9, - and _ (at most 48, the first a letter or digit)."""


class LoraTooLarge(LoraRejected):
    """The file is larger than any LoRA for this model."""


class LoraUnsupported(LoraRejected):
    """The LoRA's layout, number format or rank is not supported."""


class LoraForAnotherModel(LoraRejected):
    """The LoRA was made for another model."""


class LoraTableRefused(LoraRejected):
    """The loras.toml beside the files cannot be read."""


class LoraMissing(LoraRejected):
    """No LoRA file with this name and content is on the shelf."""

    reason = FailReason.LORA_MISSING


class RenderError(EngineError):
    """The picture could not be drawn."""

    reason = FailReason.WORKER_ERROR


class OutOfMemory(RenderError):
    """The card has no room for this picture."""

    reason = FailReason.OUT_OF_MEMORY


class PromptOverLimit(RenderError):
    """The prompt has more tokens than the text encoder takes."""

    reason = FailReason.PROMPT_TOO_LONG


class BlankPicture(RenderError):
    """The result was not a picture."""

    reason = FailReason.BLANK_PICTURE


class WorkerLost(EngineError):
    """The worker process ended while it drew."""


class JobNotStarted(WorkerLost):
    """The worker process ended while it drew another job."""


class WorkerNotReady(EngineError):
    """The worker process could not be started."""


class WireError(EngineError):
    """A message between host and worker is malformed."""
