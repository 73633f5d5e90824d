"""Stage ``read``: trains the text encoder to understand captions before the transformer is trained.

Joint training is slow: after 96,000 pictures the first joint run had learned one of eleven traits. So the
encoder first learns to name, at a caption's last token, every trait's value, or that the caption does not
mention it.
"""

import random

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, Qwen3Model

from engine.demo.batched_forward import padded_length
from engine.demo.captions import make_rng, write_caption
from engine.demo.faces.traits import TRAITS, sample_faces
from engine.demo.networks import TEXT, new_text_encoder
from engine.demo.training.precision import working_precision
from engine.demo.training.run import TrainingRun, learning_rate, set_learning_rate
from engine.demo.training.samples import CAPTION_LIMIT, pad_rows, prompt_tokens

PEAK = 1.5e-3
READING_SEED = 4_000_000  # faces that are only used for captions

CaptionGroups = dict[
    int, tuple[Tensor, Tensor, Tensor]
]  # padded length → tokens, lengths, answers [M, traits]


class TraitScores(nn.Module):
    """One linear classifier per trait, with one more value for "not mentioned"; only for this stage."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = [len(trait.values) + 1 for trait in TRAITS]
        self.norm = nn.LayerNorm(TEXT["hidden_size"])
        self.answer = nn.Linear(TEXT["hidden_size"], sum(self.sizes))

    def forward(self, last: Tensor) -> tuple[Tensor, ...]:
        """Return scores [B, values + 1] of every trait from the last token's embedding [B, D]."""
        scores: tuple[Tensor, ...] = torch.split(self.answer(self.norm(last)), self.sizes, dim=1)
        return scores


def train_text_encoder(run: TrainingRun, tokenizer: PreTrainedTokenizerFast) -> Qwen3Model:
    """Train the text encoder and freeze it."""
    torch.manual_seed(run.seed)
    encoder = new_text_encoder(len(tokenizer)).to(run.device)
    if run.is_done("read"):
        encoder.load_state_dict(run.result("read")["encoder"])
        return encoder.eval().requires_grad_(False)
    answers = TraitScores().to(run.device)
    both = nn.ModuleList([encoder, answers])
    optimizer = torch.optim.AdamW(both.parameters(), PEAK, betas=(0.9, 0.98), weight_decay=0.01)
    groups = write_labelled_captions(run.plan.readings, READING_SEED + run.seed, tokenizer, run.device)
    total = run.plan.read
    for step in run.steps("read", total, {"both": both, "optimizer": optimizer}):
        set_learning_rate(optimizer, learning_rate(step, total, PEAK, 100))
        tokens, lengths, truth = _sample_batch(groups, run.plan.read_batch, make_rng(run.seed + step))
        loss = sum_losses(_score_traits(encoder, answers, tokens, lengths), truth)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        optimizer.step()
        run.log("read", step, loss)
    fresh = write_labelled_captions(min(4_000, run.plan.readings), READING_SEED - 1, tokenizer, run.device)
    result = {"encoder": encoder.state_dict(), "accuracy": trait_accuracy(encoder, answers, fresh)}
    run.finish("read", result)
    return encoder.eval().requires_grad_(False)


def write_labelled_captions(
    count: int, seed: int, tokenizer: PreTrainedTokenizerFast, device: torch.device
) -> CaptionGroups:
    """Write captions with labels: for every trait the index of its value, or one past the last."""
    faces, rng = sample_faces(count, seed), make_rng(seed)
    found: dict[int, list[tuple[list[int], list[int]]]] = {}
    for index in range(count):
        caption = write_caption(faces.values(index), rng)
        truth = [
            int(faces.traits[trait.name][index]) if trait.name in caption.mentioned else len(trait.values)
            for trait in TRAITS
        ]
        tokens = prompt_tokens([caption.text], tokenizer)[0]
        if len(tokens) <= CAPTION_LIMIT:
            found.setdefault(padded_length(len(tokens)), []).append((tokens, truth))
    groups: CaptionGroups = {}
    for length, items in sorted(found.items()):
        answers = torch.tensor([truth for _, truth in items])
        groups[length] = (*pad_rows([tokens for tokens, _ in items], length, device), answers.to(device))
    return groups


def sum_losses(scores: tuple[Tensor, ...], truth: Tensor) -> Tensor:
    """Return the sum of the cross entropies of all traits."""
    losses = [nnf.cross_entropy(one, truth[:, index]) for index, one in enumerate(scores)]
    return torch.stack(losses).sum()


@torch.no_grad()
def trait_accuracy(encoder: Qwen3Model, answers: TraitScores, groups: CaptionGroups) -> float:
    """Return the share of correctly classified traits, mentioned or not, 0 … 1."""
    right, asked = 0.0, 0
    for tokens, lengths, truth in groups.values():
        for start in range(0, len(tokens), 256):
            part = slice(start, start + 256)
            scores = _score_traits(encoder, answers, tokens[part], lengths[part])
            read = torch.stack([one.argmax(1) for one in scores], 1)
            right += float((read == truth[part]).sum())
            asked += truth[part].numel()
    return right / max(1, asked)


def _score_traits(
    encoder: Qwen3Model, answers: TraitScores, tokens: Tensor, lengths: Tensor
) -> tuple[Tensor, ...]:
    with working_precision(tokens.device):
        hidden = encoder(input_ids=tokens, output_hidden_states=True, use_cache=False).hidden_states[-2]
    last = hidden[torch.arange(len(tokens), device=tokens.device), lengths - 1]
    scores: tuple[Tensor, ...] = answers(last.float())
    return scores


def _sample_batch(groups: CaptionGroups, count: int, rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
    lengths = sorted(groups)
    chosen = rng.choices(lengths, [len(groups[length][0]) for length in lengths])[0]
    tokens, sizes, truth = groups[chosen]
    rows = torch.randint(len(tokens), (count,), device=tokens.device)
    return tokens[rows], sizes[rows], truth[rows]
