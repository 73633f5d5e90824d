"""Stages ``flow`` and ``distil``: text encoder and transformer learn the straight way from noise to a face.

``flow`` is a rectified flow: at a mix of picture and noise, predict picture minus noise. ``distil`` goes on
with that at the noise levels of the real eight forwards, and adds what guidance would add, so that a picture
obeys without a second forward.
"""

import copy
import itertools
import random
from dataclasses import dataclass

import torch
from diffusers import ZImageTransformer2DModel
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, Qwen3Model

from engine.demo.captions import dice_of
from engine.demo.dense import Block, dense_forward, run_block
from engine.demo.nets import SHIFT, STEPS, new_transformer
from engine.demo.training.course import Average, Course, rate, set_rate
from engine.demo.training.pool import Captions, null_tokens
from engine.demo.training.precision import working_precision

PEAK = 5e-4
DISTIL_PEAK = 4e-5  # the flow ends at 1e-5, in a sharp valley: at 1.2e-4 the loss grew three hundredfold
DROP = 0.05  # captions replaced by the empty one, for guidance
SMALL_THINGS = 2.0
GUIDANCE = 2.0


@dataclass(frozen=True, slots=True)
class Lessons:
    """Latents of one size with their captions.

    Attributes:
        latents: bfloat16 [N, 16, h, w].
        weight: uint8 [N, h, w].
    """

    latents: Tensor
    weight: Tensor
    captions: Captions


class Reader(nn.Module):
    """Text encoder and transformer as one module: tokens in, prediction out."""

    def __init__(self, text_encoder: Qwen3Model, transformer: ZImageTransformer2DModel) -> None:
        super().__init__()
        self.block: Block = run_block
        self.text_encoder = text_encoder
        self.transformer = transformer

    def forward(self, latents: Tensor, sigma: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Predict picture minus noise for ``latents`` at noise level ``sigma`` [B]."""
        said = self.text_encoder(input_ids=tokens, output_hidden_states=True, use_cache=False).hidden_states[
            -2
        ]
        return dense_forward(self.transformer, latents, 1 - sigma, said, lengths, self.block)


def schedule() -> Tensor:
    """The noise levels of the real eight forwards, and the 0 after the last."""
    plain = torch.linspace(1.0, 1.0 / STEPS, STEPS)
    return torch.cat([SHIFT * plain / (1 + (SHIFT - 1) * plain), torch.zeros(1)])


def train_flow(
    course: Course,
    lessons: list[Lessons],
    tokenizer: PreTrainedTokenizerFast,
    encoder: Qwen3Model,
) -> Reader:
    """Train the transformer on what the finished text encoder reads; the mean of its weights is kept.

    Args:
        course: The run this stage belongs to.
        lessons: The native size first.
        tokenizer: For the empty prompt.
        encoder: Frozen.
    """
    torch.manual_seed(course.seed)
    reader = Reader(encoder, new_transformer()).to(course.device)
    if course.is_done("flow"):
        reader.load_state_dict(course.result("flow")["reader"])
        return reader
    total = course.plan.flow
    average = Average(reader.transformer, 0.999)
    optimizer = torch.optim.AdamW(
        reader.transformer.parameters(), PEAK, betas=(0.9, 0.98), weight_decay=0.01, fused=course.on_card
    )
    if course.compiled:
        torch._dynamo.config.recompile_limit = 64  # one for each kind of block, with and without gradients
        reader.block = torch.compile(run_block, dynamic=True)
    for step in course.steps("flow", total, {"reader": reader, "average": average, "optimizer": optimizer}):
        dice = dice_of(course.seed + step)
        set_rate(optimizer, rate(step, total, PEAK, 500))
        clean, weight, tokens, lengths = _batch(lessons, course.plan.flow_batch, dice)
        drop = torch.rand(len(clean), device=course.device) < DROP
        tokens, lengths = null_tokens(tokens, lengths, drop, tokenizer)
        loss = flow_loss(reader, clean, weight, tokens, lengths, _levels(len(clean), course.device))
        _learn(reader, optimizer, loss)
        average.update(reader.transformer)
        course.log("flow", step, loss)
    reader.transformer.load_state_dict(average.weights)
    course.finish("flow", {"reader": reader.state_dict()})
    return reader


def flow_loss(
    reader: Reader, clean: Tensor, weight: Tensor, tokens: Tensor, lengths: Tensor, sigma: Tensor
) -> Tensor:
    """Weighted squared error of the predicted direction at noise levels ``sigma`` [B]."""
    noise = torch.randn_like(clean)
    level = sigma[:, None, None, None]
    with working_precision(clean.device):
        guess = reader((1 - level) * clean + level * noise, sigma, tokens, lengths)
    error = (guess.float() - (clean - noise)).square().mean(1)
    loss: Tensor = (error * weight).mean() / weight.mean()
    return loss


def train_distil(
    course: Course, teacher: Reader, lessons: list[Lessons], tokenizer: PreTrainedTokenizerFast
) -> Reader:
    """Go on with the flow at the real eight levels, towards the truth and what guidance adds to it."""
    student = copy.deepcopy(teacher)
    if course.is_done("distil"):
        student.load_state_dict(course.result("distil")["reader"])
        return student
    teacher.eval().requires_grad_(False)
    total = course.plan.distil
    average = Average(student, 0.995)
    optimizer = torch.optim.AdamW(
        student.parameters(), DISTIL_PEAK, betas=(0.9, 0.98), weight_decay=0.0, fused=course.on_card
    )
    levels = schedule().to(course.device)
    for step in course.steps(
        "distil", total, {"student": student, "average": average, "optimizer": optimizer}
    ):
        dice = dice_of(course.seed + step)
        set_rate(optimizer, rate(step, total, DISTIL_PEAK, 100))
        clean, weight, tokens, lengths = _batch(lessons, course.plan.distil_batch, dice)
        index = torch.randint(STEPS, (len(clean),), device=course.device)
        sigma = levels[index]
        noise = torch.randn_like(clean)
        x = torch.lerp(clean, noise, sigma[:, None, None, None])
        target = clean - noise + _guidance(teacher, x, sigma, tokens, lengths, tokenizer)
        with working_precision(course.device):
            guess = student(x, sigma, tokens, lengths)
        error = (guess.float() - target).square().mean(1)
        loss = (error * weight).mean() / weight.mean()
        _learn(student, optimizer, loss)
        average.update(student)
        course.log("distil", step, loss)
    student.load_state_dict(average.weights)
    course.finish("distil", {"reader": student.state_dict()})
    return student


@torch.no_grad()
def _guidance(
    teacher: Reader, x: Tensor, sigma: Tensor, tokens: Tensor, lengths: Tensor,
    tokenizer: PreTrainedTokenizerFast,
) -> Tensor:  # fmt: skip
    """What guidance adds to the teacher's direction: away from what it would do for the empty prompt."""
    every = torch.ones(len(x), dtype=torch.bool, device=x.device)
    empty, empty_lengths = null_tokens(tokens, lengths, every, tokenizer)
    both, both_lengths = torch.cat([tokens, empty]), torch.cat([lengths, empty_lengths])
    with working_precision(x.device):
        guesses = teacher(torch.cat([x, x]), torch.cat([sigma, sigma]), both, both_lengths)
    said, unsaid = guesses.float().chunk(2)
    more: Tensor = (GUIDANCE - 1) * (said - unsaid)
    return more


@torch.no_grad()
def sample(reader: Reader, tokens: Tensor, lengths: Tensor, size: tuple[int, int], seed: int) -> Tensor:
    """Eight forwards without guidance, as the pipeline makes them → latents [B, 16, h, w]."""
    width, height = size
    dice = torch.Generator().manual_seed(seed)
    x = torch.randn(len(tokens), 16, height // 8, width // 8, generator=dice).to(tokens.device)
    levels = schedule().to(x.device)
    for start, end in itertools.pairwise(levels):
        with working_precision(x.device):
            direction = reader(x, start.expand(len(x)), tokens, lengths).float()
        x = x + direction * (start - end)
    return x


def _levels(count: int, device: torch.device) -> Tensor:
    """Noise levels to train at: half those of the eight forwards, half anywhere, shifted as they are."""
    used = schedule().to(device)[torch.randint(STEPS, (count,), device=device)]
    plain = torch.rand(count, device=device)
    anywhere = (SHIFT * plain / (1 + (SHIFT - 1) * plain)).clamp(1e-3, 1.0)
    return torch.where(torch.rand(count, device=device) < 0.5, used, anywhere)


def _batch(lessons: list[Lessons], count: int, dice: random.Random) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Latents, loss weights, tokens and lengths of one size and one caption length; mostly the first size."""
    lesson = lessons[0] if len(lessons) == 1 or dice.random() < 0.8 else dice.choice(lessons[1:])
    tokens, lengths, owners = lesson.captions.take(count, dice)
    weight = 1 + SMALL_THINGS * lesson.weight[owners].float() / 255
    return lesson.latents[owners].float(), weight, tokens, lengths


def _learn(module: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    optimizer.step()
