"""Which cards multiply in which weight format. It knows no torch, so the planner reads it, too.

Both formats exist on Ada. GeForce cards of Ada add up fp8 at half rate and int8 at full rate; on Hopper int8
is no faster than bfloat16. The planner takes the faster one by its table of rates.

A card of Turing has no bfloat16: there, everything but the large int8 layers is in float32, because float16
ends at 65,504 and Z-Image's activations do not. So Turing needs a plan that keeps the base off the card.
"""

from engine.config import WeightFormat

Capability = tuple[int, int]  # NVIDIA's compute capability: 7.5 Turing, 8.x Ampere, 8.9 Ada, 9.0 Hopper

INT8_SINCE: Capability = (7, 5)  # int8 tensor cores
BF16_SINCE: Capability = (8, 0)
FP8_SINCE: Capability = (8, 9)


def is_supported(weight_format: WeightFormat, capability: Capability) -> bool:
    """Return whether a card draws in this format; bf16 is drawn everywhere, before Ampere in float32."""
    since = {WeightFormat.FP8: FP8_SINCE, WeightFormat.INT8: INT8_SINCE}
    return capability >= since.get(weight_format, (0, 0))
