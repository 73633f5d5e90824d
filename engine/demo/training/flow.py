"""Stages ``flow`` and ``distil``: the transformer learns the velocity from noise to a face.

``flow`` trains a rectified flow: it predicts picture minus noise for a mix of both. ``distil`` continues at
the noise levels of the eight sampling steps and adds the effect of guidance to the target (guidance
distillation), so that sampling needs no second forward.
"""

import copy
import itertools
import random
from dataclasses import dataclass

import torch
from diffusers import ZImageTransformer2DModel
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, Qwen3Model

from engine.demo.batched_forward import BlockFunction, batched_forward, run_block
from engine.demo.captions import make_rng
from engine.demo.networks import SHIFT, STEPS, new_transformer
from engine.demo.training.precision import working_precision
from engine.demo.training.run import TrainingRun, WeightAverage, learning_rate, set_learning_rate
from engine.demo.training.samples import TokenizedCaptions, null_tokens

PEAK = 5e-4
DISTIL_PEAK = 4e-5  # ``flow`` ends at 1e-5 in a sharp minimum; at 1.2e-4 the loss grew three hundredfold
DROP = 0.05  # share of captions that are replaced by the empty one, for guidance
DETAIL_WEIGHT = 2.0
GUIDANCE = 2.0


@dataclass(frozen=True, slots=True)
class LatentDataset:
    """Latents of one size with their captions.

    Attributes:
        latents: bfloat16 [N, 16, h, w].
        weight: uint8 [N, h, w].
    """

    latents: Tensor
    weight: Tensor
    captions: TokenizedCaptions


class VelocityModel(nn.Module):
    """Text encoder and transformer as one module: tokens in, prediction out."""

    def __init__(self, text_encoder: Qwen3Model, transformer: ZImageTransformer2DModel) -> None:
        super().__init__()
        self.block: BlockFunction = run_block
        self.text_encoder = text_encoder
        self.transformer = transformer

    def forward(self, latents: Tensor, sigma: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Predict picture minus noise for ``latents`` at noise level ``sigma`` [B]."""
        output = self.text_encoder(input_ids=tokens, output_hidden_states=True, use_cache=False)
        embedding = output.hidden_states[-2]
        return batched_forward(self.transformer, latents, 1 - sigma, embedding, lengths, self.block)


def schedule() -> Tensor:
    """Return the noise levels of the eight sampling steps, and 0 after the last."""
    plain = torch.linspace(1.0, 1.0 / STEPS, STEPS)
    return torch.cat([SHIFT * plain / (1 + (SHIFT - 1) * plain), torch.zeros(1)])


def train_flow(
    run: TrainingRun,
    datasets: list[LatentDataset],
    tokenizer: PreTrainedTokenizerFast,
    encoder: Qwen3Model,
) -> VelocityModel:
    """Train the transformer on the frozen text encoder's embeddings; keep the average of its weights.

    Args:
        run: The run this stage belongs to.
        datasets: The native size first.
        tokenizer: For the empty prompt.
        encoder: Frozen.
    """
    torch.manual_seed(run.seed)
    model = VelocityModel(encoder, new_transformer()).to(run.device)
    if run.is_done("flow"):
        model.load_state_dict(run.result("flow")["reader"])
        return model
    total = run.plan.flow
    average = WeightAverage(model.transformer, 0.999)
    optimizer = torch.optim.AdamW(
        model.transformer.parameters(), PEAK, betas=(0.9, 0.98), weight_decay=0.01, fused=run.on_card
    )
    if run.compiled:
        torch._dynamo.config.recompile_limit = 64  # one for each kind of block, with and without gradients
        model.block = torch.compile(run_block, dynamic=True)
    for step in run.steps("flow", total, {"reader": model, "average": average, "optimizer": optimizer}):
        rng = make_rng(run.seed + step)
        set_learning_rate(optimizer, learning_rate(step, total, PEAK, 500))
        clean, weight, tokens, lengths = _batch(datasets, run.plan.flow_batch, rng)
        drop = torch.rand(len(clean), device=run.device) < DROP
        tokens, lengths = null_tokens(tokens, lengths, drop, tokenizer)
        loss = flow_loss(model, clean, weight, tokens, lengths, _levels(len(clean), run.device))
        _learn(model, optimizer, loss)
        average.update(model.transformer)
        run.log("flow", step, loss)
    model.transformer.load_state_dict(average.weights)
    run.finish("flow", {"reader": model.state_dict()})
    return model


def flow_loss(
    model: VelocityModel, clean: Tensor, weight: Tensor, tokens: Tensor, lengths: Tensor, sigma: Tensor
) -> Tensor:
    """Return the weighted squared error of the predicted velocity at noise levels ``sigma`` [B]."""
    noise = torch.randn_like(clean)
    level = sigma[:, None, None, None]
    with working_precision(clean.device):
        guess = model((1 - level) * clean + level * noise, sigma, tokens, lengths)
    error = (guess.float() - (clean - noise)).square().mean(1)
    loss: Tensor = (error * weight).mean() / weight.mean()
    return loss


def train_distil(
    run: TrainingRun,
    teacher: VelocityModel,
    datasets: list[LatentDataset],
    tokenizer: PreTrainedTokenizerFast,
) -> VelocityModel:
    """Continue at the eight sampling levels; the target is the true velocity plus the effect of guidance."""
    student = copy.deepcopy(teacher)
    if run.is_done("distil"):
        student.load_state_dict(run.result("distil")["reader"])
        return student
    teacher.eval().requires_grad_(False)
    total = run.plan.distil
    average = WeightAverage(student, 0.995)
    optimizer = torch.optim.AdamW(
        student.parameters(), DISTIL_PEAK, betas=(0.9, 0.98), weight_decay=0.0, fused=run.on_card
    )
    levels = schedule().to(run.device)
    for step in run.steps("distil", total, {"student": student, "average": average, "optimizer": optimizer}):
        rng = make_rng(run.seed + step)
        set_learning_rate(optimizer, learning_rate(step, total, DISTIL_PEAK, 100))
        clean, weight, tokens, lengths = _batch(datasets, run.plan.distil_batch, rng)
        index = torch.randint(STEPS, (len(clean),), device=run.device)
        sigma = levels[index]
        noise = torch.randn_like(clean)
        x = torch.lerp(clean, noise, sigma[:, None, None, None])
        target = clean - noise + _guidance(teacher, x, sigma, tokens, lengths, tokenizer)
        with working_precision(run.device):
            guess = student(x, sigma, tokens, lengths)
        error = (guess.float() - target).square().mean(1)
        loss = (error * weight).mean() / weight.mean()
        _learn(student, optimizer, loss)
        average.update(student)
        run.log("distil", step, loss)
    student.load_state_dict(average.weights)
    run.finish("distil", {"reader": student.state_dict()})
    return student


@torch.no_grad()
def _guidance(
    teacher: VelocityModel, x: Tensor, sigma: Tensor, tokens: Tensor, lengths: Tensor,
    tokenizer: PreTrainedTokenizerFast,
) -> Tensor:  # fmt: skip
    """Return what guidance adds to the teacher's velocity: away from that of the empty prompt."""
    every = torch.ones(len(x), dtype=torch.bool, device=x.device)
    empty, empty_lengths = null_tokens(tokens, lengths, every, tokenizer)
    both, both_lengths = torch.cat([tokens, empty]), torch.cat([lengths, empty_lengths])
    with working_precision(x.device):
        guesses = teacher(torch.cat([x, x]), torch.cat([sigma, sigma]), both, both_lengths)
    conditional, unconditional = guesses.float().chunk(2)
    more: Tensor = (GUIDANCE - 1) * (conditional - unconditional)
    return more


@torch.no_grad()
def sample(model: VelocityModel, tokens: Tensor, lengths: Tensor, size: tuple[int, int], seed: int) -> Tensor:
    """Sample with eight steps without guidance, as the pipeline does → latents [B, 16, h, w]."""
    width, height = size
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(len(tokens), 16, height // 8, width // 8, generator=rng).to(tokens.device)
    levels = schedule().to(x.device)
    for start, end in itertools.pairwise(levels):
        with working_precision(x.device):
            direction = model(x, start.expand(len(x)), tokens, lengths).float()
        x = x + direction * (start - end)
    return x


def _levels(count: int, device: torch.device) -> Tensor:
    """Return training noise levels: half from the eight sampling levels, half random, with the same shift."""
    used = schedule().to(device)[torch.randint(STEPS, (count,), device=device)]
    plain = torch.rand(count, device=device)
    anywhere = (SHIFT * plain / (1 + (SHIFT - 1) * plain)).clamp(1e-3, 1.0)
    return torch.where(torch.rand(count, device=device) < 0.5, used, anywhere)


def _batch(
    datasets: list[LatentDataset], count: int, rng: random.Random
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return latents, loss weights, tokens and lengths of one size, mostly the first."""
    dataset = datasets[0] if len(datasets) == 1 or rng.random() < 0.8 else rng.choice(datasets[1:])
    tokens, lengths, owners = dataset.captions.sample(count, rng)
    weight = 1 + DETAIL_WEIGHT * dataset.weight[owners].float() / 255
    return dataset.latents[owners].float(), weight, tokens, lengths


def _learn(module: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    optimizer.step()
