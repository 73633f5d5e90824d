"""The errors of the engine, and who can correct them.

* EngineError
  x ModelError                      the host (the person) corrects the checkpoint or the setting
    + ModelMissing                  the folder or revision does not exist
      - ModelNotDownloaded          it is not downloaded; `sugarbot setup` downloads it
      - ModelUnreachable            it cannot be downloaded: the network, the Hub, the proxy or the disk
    + ModelDamaged                  a downloaded file is not the published one; the next try fetches it
    + ModelIncomplete               parts are missing or unsupported
    + ModelNeedsGuidance            it is not distilled: it draws only with guidance and many steps
    + ModelNotConverted             a published single file; `sugarbot setup` converts it
    + ModelTooLarge                 the card has no room for the weights
      - NoPlanFits                  known before anything is loaded: not even the smallest plan fits
    + NoRoomForModel                the disk has no room for the download
    + NoRoomForCopy                 the disk has no room for the converted weights
    + ConversionRunning             another process converts in this data folder
  x LoraRejected                    the host replaces the file; it never reached the card
    + LoraDamaged                   not an intact safetensors file
      - LoraTruncated · LoraPickled · LoraNotFinite
      - LoraNamedTwice              two of its updates are for the same weights
    + LoraNotAFile                  a link, or it may not be read
      - LoraNotRegular              a folder, a device, a pipe
    + LoraNameRefused               its file name is not a name that people can type
      - LoraNameShared              another file of the shelf has this name
        . LoraNameBuiltIn           … which is a LoRA of the built-in model
    + LoraTooLarge                  more bytes, header or tensors than any real LoRA has
    + LoraUnsupported               a layout or number format that is not supported
      - LoraIncomplete              tensors that belong together are missing or do not fit each other
      - LoraRankRefused             a rank beyond what is drawn
      - LoraScaleRefused            its metadata do not say how strong it is
      - LoraForTextEncoder          it also changes the text encoder
    + LoraTooStrong                 numbers that no format of the model bears
    + LoraAllZero                   it changes nothing
    + LoraForAnotherModel           its shapes or modules are not this model's
    + LoraSidecarRefused            the NAME.toml beside the file cannot be read
      - LoraSidecarAlone            it is beside no file
      - LoraTableRefused            a loras.toml, which sidecars have replaced
    + LoraPinBroken                 its content is not the one that the host pinned
    + LoraFolderTooLarge            the folder has more entries than are read
    + LoraWithoutEffect             the trial picture with it is the one without it
    + LoraDrawsBlank                the trial picture with it is not a picture
    + LoraMissing                   no file with this name and hash
  x RenderError                     one job failed; the worker goes on
    + OutOfMemory
    + PromptOverLimit
    + StartDamaged                  the file of its start picture is not one of ours
    + BlankPicture
  x WorkerLost                      the worker process ended; the host starts another, the job returns
    + JobNotStarted                 … while it drew another job; this one returns and loses no attempt
  x WorkerNotReady                  the worker could not be started
  x WireError                       a message is malformed; the worker is ended

The docstring of a class, up to its facts, is its default message; its attributes are the facts.
``bot.messages`` has the sentences that people read, in their languages.
"""

from engine.formatting import printable
from engine.request import FailReason


class EngineError(Exception):
    """The engine failed."""

    def __init__(self, message: str = "", **facts: object) -> None:
        """Make the error; its text may contain names of files, so control characters are escaped."""
        default = (type(self).__doc__ or "").partition(" Facts:")[0]
        super().__init__(printable(message) or default)
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
    """There is no model at this path."""


class ModelNotDownloaded(ModelMissing):
    """The model is not downloaded yet."""


class ModelUnreachable(ModelMissing):
    """The model could not be downloaded."""


class ModelDamaged(ModelError):
    """A downloaded file is not the published one."""


class ModelIncomplete(ModelError):
    """The model folder lacks parts that a Z-Image pipeline needs."""


class ModelNeedsGuidance(ModelError):
    """The model is not distilled: without guidance and with few steps it draws nothing useful."""


class ModelNotConverted(ModelError):
    """The model's transformer is a published single file, which must be converted first."""


class ModelTooLarge(ModelError):
    """The card has no room for the model's weights."""


class NoPlanFits(ModelTooLarge):
    """Not even the smallest plan fits the card's free memory. Facts: ``needed_bytes``, ``missing_bytes``."""


class NoRoomForModel(ModelError):
    """The disk has no room for the model."""


class NoRoomForCopy(ModelError):
    """The disk has no room for a converted copy of the weights."""


class ConversionRunning(ModelError):
    """Another process is converting weights in this data folder."""


class LoraRejected(EngineError):
    """This LoRA file cannot be used."""

    reason = FailReason.LORA_REJECTED


class LoraDamaged(LoraRejected):
    """The safetensors file is damaged."""


class LoraTruncated(LoraDamaged):
    """The file ends before its tensors do, or continues after them."""


class LoraPickled(LoraDamaged):
    """The file is a pickle or an archive, which may run code; only safetensors is read."""


class LoraNamedTwice(LoraDamaged):
    """Two updates of the LoRA are for the same weights."""


class LoraNotAFile(LoraRejected):
    """Only regular files in the LoRA folder are read; links are not followed."""


class LoraNotRegular(LoraNotAFile):
    """It is a folder, a device or a pipe; only regular files are read."""


class LoraNameRefused(LoraRejected):
    """The file name is not one that people can type and distinguish from others."""


class LoraNameShared(LoraNameRefused):
    """Another file of the shelf has this name, as names are compared. Facts: ``other``."""


class LoraNameBuiltIn(LoraNameShared):
    """A LoRA of the built-in model has this name. Facts: ``other``."""


class LoraTooLarge(LoraRejected):
    """The file is larger than any LoRA for this model."""


class LoraUnsupported(LoraRejected):
    """The LoRA's layout or number format is not supported."""


class LoraIncomplete(LoraUnsupported):
    """Tensors of the LoRA that belong together are missing or do not fit each other."""


class LoraRankRefused(LoraUnsupported):
    """The LoRA has a rank beyond what is drawn."""


class LoraScaleRefused(LoraUnsupported):
    """The LoRA's metadata do not say how strong it is."""


class LoraForTextEncoder(LoraUnsupported):
    """The LoRA also changes the text encoder."""


class LoraNotFinite(LoraDamaged):
    """Numbers of the LoRA are infinite or not numbers."""


class LoraTooStrong(LoraRejected):
    """Numbers of the LoRA are too large for the model's number format."""


class LoraAllZero(LoraRejected):
    """All changes that the LoRA makes are zero."""


class LoraForAnotherModel(LoraRejected):
    """The LoRA was made for another model."""


class LoraSidecarRefused(LoraRejected):
    """The NAME.toml beside the file cannot be read, so nobody knows who may use the LoRA."""


class LoraSidecarAlone(LoraSidecarRefused):
    """This NAME.toml is beside no LoRA file."""


class LoraTableRefused(LoraSidecarRefused):
    """A loras.toml is not read any more: each LoRA has a NAME.toml beside its file."""


class LoraPinBroken(LoraRejected):
    """The file's content is not the one that the host pinned."""


class LoraFolderTooLarge(LoraRejected):
    """The LoRA folder has more entries than are read."""


class LoraWithoutEffect(LoraRejected):
    """The trial picture with the LoRA is the same as without it."""


class LoraDrawsBlank(LoraRejected):
    """The trial picture with the LoRA is not a picture."""


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


class StartDamaged(RenderError):
    """The start picture is not a file that the worker made, or it is damaged."""

    reason = FailReason.START_MISSING


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
