"""What can be wrong with the LoRAs of a request."""

from bot.errors.base import NotAllowed, NotPossible, NotUnderstood


class TooManyLoras(NotUnderstood):
    """Facts: ``limit``, the maximum number of LoRAs for one picture."""


class StackTooStrong(NotUnderstood):
    """The LoRAs of one picture are too strong together, and one may not be made as weak as necessary.

    Facts: ``name`` of that LoRA; ``needed``, its least weight; ``total`` and ``limit``, sums of absolute
        weights.
    """


class LorasJoined(NotUnderstood):
    """Behind the comma of ``--lora sugar,anime`` is a LoRA, too, where the prompt goes on.

    Facts: ``name`` of that LoRA as typed; ``example``, how to write all of them.
    """


class StepsDiffer(NotUnderstood):
    """Two LoRAs are distilled for different numbers of steps. Facts: ``names``."""


class StepsNotPossible(NotPossible):
    """The model's schedule has not so many steps. Facts: ``name`` of the LoRA, ``steps``, ``limit``."""


class BadSubject(NotUnderstood):
    """This names no person and no chat. Facts: ``text`` as typed."""


class LoraFileSent(NotUnderstood):
    """The message is a .safetensors file, which a host must put into the LoRA folder."""


class UnknownLora(NotPossible):
    """Facts: ``name`` as typed; ``nearest``, a tuple of names on the shelf."""


class LoraBeingChecked(NotPossible):
    """The LoRA's trial picture is not drawn yet. Facts: ``name``."""


class OwnersOnly(NotAllowed):
    """Only the owner of a LoRA and hosts decide who may use it. Facts: ``name``."""


class LoraRefused(NotPossible):
    """A LoRA did not pass the shelf's checks.

    Facts: ``name``; ``reason``, the class of the engine's error; and that error's own facts and ``detail``.
    """


class LoraNameTaken(NotPossible):
    """Another file of this name is on the shelf. Facts: ``name``."""


class LoraBuiltIn(NotPossible):
    """The LoRA comes with the built-in model and stays. Facts: ``name``."""


class TrialNotDrawn(NotPossible):
    """The trial picture could not be drawn now, so nothing is known about the LoRA. Facts: ``name``."""


class ShelfNotWritable(NotPossible):
    """The LoRA folder accepts no change. Facts: ``detail``, for the host."""
