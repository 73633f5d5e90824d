"""The text encoder's queries and keys in Triton: normed by head and turned, in one launch in place of thirty.

Qwen turns the first half of a head against the second, not neighbours as Z-Image does. Imported only where
there is a card; tests run it on the CPU in Triton's interpreter.
"""

import triton
import triton.language as tl
from torch import Tensor

WARPS = 1  # of a program: one head of one token


def apply_rope(qkv: Tensor, norms: Tensor, cos: Tensor, sin: Tensor, queries: int, epsilon: float) -> None:
    """Norm and turn the queries and keys in their place.

    Args:
        qkv: [tokens, heads, head]: the queries, the keys, and as many values, which stay as they are.
        norms: [2, head]: the queries' and the keys' weights.
        cos: [tokens, head], of the angles; both halves are the same.
        sin: The sines, in the same shape.
        queries: How many heads are queries.
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
