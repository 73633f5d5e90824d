"""RMS norm and RoPE of the text encoder's queries and keys in Triton: one launch instead of thirty.

Qwen rotates the first half of a head against the second half; Z-Image rotates neighbours. Imported only on a
machine with a card; tests run it on the CPU in Triton's interpreter.
"""

import triton
import triton.language as tl
from torch import Tensor

WARPS = 1  # of a program: one head of one token


def apply_rope(qkv: Tensor, norms: Tensor, cos: Tensor, sin: Tensor, queries: int, epsilon: float) -> None:
    """Apply RMS norm and RoPE to the queries and keys in place.

    Args:
        qkv: [tokens, heads, head]: the queries, the keys, and as many values, which do not change.
        norms: [2, head]: the norm weights of queries and keys.
        cos: [tokens, head]: cosines of the angles; both halves are equal.
        sin: [tokens, head]: sines of the angles.
        queries: Number of query heads.
        epsilon: Added to the mean of squares.
    """
    tokens, heads, head = qkv.shape
    rotated = (heads + queries) // 2
    _rope_kernel[(tokens, rotated)](
        qkv, norms, cos, sin, queries, heads,
        EPSILON=epsilon, HALF=head // 2, BLOCK=triton.next_power_of_2(head // 2), num_warps=WARPS,
    )  # fmt: skip


@triton.jit
def _rope_kernel(
    qkv, norms, cos, sin, queries, heads, EPSILON: tl.constexpr, HALF: tl.constexpr, BLOCK: tl.constexpr
):
    token, head = tl.program_id(0), tl.program_id(1)
    at = tl.arange(0, BLOCK)
    inside = at < HALF
    pointer = qkv + (token * heads + head) * 2 * HALF + at
    left = tl.load(pointer, inside, other=0.0).to(tl.float32)
    right = tl.load(pointer + HALF, inside, other=0.0).to(tl.float32)
    squares = tl.sum(left * left, axis=0) + tl.sum(right * right, axis=0)
    root = tl.rsqrt(squares / (2 * HALF) + EPSILON)
    weight = norms + (head >= queries).to(tl.int32) * 2 * HALF + at
    left *= root * tl.load(weight, inside, other=0.0).to(tl.float32)
    right *= root * tl.load(weight + HALF, inside, other=0.0).to(tl.float32)
    angle = token * 2 * HALF + at
    one = tl.load(cos + angle, inside, other=0.0).to(tl.float32)
    other = tl.load(sin + angle, inside, other=0.0).to(tl.float32)
    tl.store(pointer, left * one - right * other, inside)
    tl.store(pointer + HALF, right * one + left * other, inside)
