"""What can be wrong with the LoRAs of a request."""

from bot.errors.base import NotPossible, NotUnderstood


class TooManyLoras(NotUnderstood):
    """Facts: ``limit``, the maximum number of LoRAs for one picture."""


class WeightsTooHigh(NotUnderstood):
    """The LoRAs of one picture are too strong together.

    Facts: ``total`` and ``limit``, sums of absolute weights; ``example``, the same LoRAs within the limit.
    """


class LoraFileSent(NotUnderstood):
    """The message is a .safetensors file, which a host must put into the LoRA folder."""


class UnknownLora(NotPossible):
    """Facts: ``name`` as typed; ``nearest``, a tuple of names on the shelf."""
