"""The kinds of updates that a LoRA file can hold; the worker applies them all."""

from enum import StrEnum


class ChangeKind(StrEnum):
    """One way to state what changes in a layer; ``engine.lora.updates`` holds the values.

    LOW_RANK   up @ down: LoRA, and what is converted to it exactly
    KRONECKER  left ⊗ right: LoKr
    DENSE      the difference itself, as large as the layer: ``.diff``, LoHa of a large rank
    MAGNITUDE  the norms of a layer's rows beside its other updates: DoRA
    BIAS       a difference of a layer's bias
    VECTOR     a difference of any other parameter, as a norm's weight
    """

    LOW_RANK = "low_rank"
    KRONECKER = "kronecker"
    DENSE = "dense"
    MAGNITUDE = "magnitude"
    BIAS = "bias"
    VECTOR = "vector"
