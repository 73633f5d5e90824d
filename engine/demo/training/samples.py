"""Training samples: rendered faces on the device, and captions as tokens."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as nn
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from engine.demo.batched_forward import CAPTION_STEP, padded_length
from engine.demo.captions import make_rng, write_caption
from engine.demo.faces.renderer import detail_weights, render_faces
from engine.demo.faces.styles import Style
from engine.demo.faces.traits import TRAITS, Faces, sample_faces
from engine.demo.networks import to_latents
from engine.demo.tokenizer import END
from engine.demo.training.precision import working_precision

CAPTION_LIMIT = 160  # tokens; longer captions are cut, one in some thousands
RENDER_BATCH = 128  # on a card; on a CPU smaller batches fit its caches


@dataclass(frozen=True, slots=True)
class FacePictures:
    """Rendered faces of one size and style.

    Attributes:
        pixels: uint8 [N, 3, H, W].
        weight: uint8 [N, H / 8, W / 8], 255 on small details.
    """

    faces: Faces
    pixels: Tensor
    weight: Tensor

    def floats(self, chosen: Tensor) -> Tensor:
        """Return chosen pictures as float [B, 3, H, W], -1 … 1."""
        return self.pixels[chosen].float() / 127.5 - 1.0


def draw(
    count: int, seed: int, size: tuple[int, int], style: Style, device: torch.device, supersampling: int = 2
) -> FacePictures:
    """Render ``count`` random faces."""
    faces = sample_faces(count, seed).to(device)
    pixels, weights = [], []
    step = RENDER_BATCH if device.type == "cuda" else 4
    for start in range(0, count, step):
        batch = faces.part(slice(start, start + step))
        pixels.append((render_faces(batch, size, style, supersampling) * 255).round().byte())
        weights.append((nn.avg_pool2d(detail_weights(batch, size)[:, None], 8)[:, 0] * 255).byte())
    return FacePictures(faces, torch.cat(pixels), torch.cat(weights))


def batches(count: int, size: int, device: torch.device) -> Iterator[Tensor]:
    """Yield the indices 0 … ``count`` - 1, ``size`` at a time."""
    for start in range(0, count, size):
        yield torch.arange(start, min(start + size, count), device=device)


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: FacePictures, batch: int = 64) -> Tensor:
    """Return the latents of all pictures, bfloat16 [N, 16, H / 8, W / 8]."""
    device = pictures.pixels.device
    latents = []
    for chosen in batches(len(pictures.pixels), batch, device):
        with working_precision(device):
            mean = vae.encode(pictures.floats(chosen)).latent_dist.mean
        latents.append(to_latents(vae, mean.float()).bfloat16())
    return torch.cat(latents)


@dataclass(frozen=True, slots=True)
class TokenizedCaptions:
    """Captions as tokens, grouped by padded length.

    Attributes:
        groups: Padded length → (tokens int64 [M, L], lengths [M], face index [M]).
        odds: Number of captions of each group.
    """

    groups: dict[int, tuple[Tensor, Tensor, Tensor]]
    odds: tuple[tuple[int, int], ...]

    def sample(self, count: int, rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
        """Return tokens, lengths and face indices of ``count`` random captions of one group."""
        lengths, odds = zip(*self.odds, strict=True)
        tokens, sizes, owners = self.groups[rng.choices(lengths, odds)[0]]
        chosen = torch.randint(len(owners), (count,), device=owners.device)
        return tokens[chosen], sizes[chosen], owners[chosen]


def write_captions(
    faces: Faces, each: int, seed: int, tokenizer: PreTrainedTokenizerFast, trigger: str = ""
) -> TokenizedCaptions:
    """Write ``each`` captions for every face and tokenize them."""
    device = faces.traits["skin"].device
    columns = {name: column.tolist() for name, column in faces.to("cpu").traits.items()}
    rows = [
        {trait.name: trait.values[columns[trait.name][index]] for trait in TRAITS}
        for index in range(len(faces))
    ]
    rng = make_rng(seed)
    texts = [write_caption(values, rng, trigger=trigger).text for values in rows for _ in range(each)]
    return _sort(texts, each, tokenizer, device)


def prompt_text(prompt: str, tokenizer: PreTrainedTokenizerFast) -> str:
    """Return the prompt in the chat template, as the pipeline does."""
    message = [{"role": "user", "content": prompt}]
    return str(tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))


def prompt_tokens(prompts: list[str], tokenizer: PreTrainedTokenizerFast) -> list[list[int]]:
    """Return each prompt's tokens, including the chat template's."""
    head, tail = prompt_text("", tokenizer).split(END, 1)
    ids: list[list[int]] = tokenizer([f"{head}{text}{END}{tail}" for text in prompts]).input_ids
    return ids


def pad_rows(rows: list[list[int]], length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return token rows as int64 [M, length], padded with zeros, and their lengths [M]."""
    block = torch.zeros(len(rows), length, dtype=torch.long)
    for index, tokens in enumerate(rows):
        block[index, : len(tokens)] = torch.tensor(tokens)
    return block.to(device), torch.tensor([len(tokens) for tokens in rows]).to(device)


def _sort(
    texts: list[str], each: int, tokenizer: PreTrainedTokenizerFast, device: torch.device
) -> TokenizedCaptions:
    ids = prompt_tokens(texts, tokenizer)
    found: dict[int, list[tuple[list[int], int]]] = {}
    for index, tokens in enumerate(ids):
        shortened = tokens[:CAPTION_LIMIT]
        found.setdefault(padded_length(len(shortened)), []).append((shortened, index // each))
    groups = {}
    for length, items in sorted(found.items()):
        owners = torch.tensor([owner for _, owner in items])
        groups[length] = (*pad_rows([tokens for tokens, _ in items], length, device), owners.to(device))
    return TokenizedCaptions(groups, tuple((length, len(items)) for length, items in sorted(found.items())))


def null_tokens(
    tokens: Tensor, lengths: Tensor, drop: Tensor, tokenizer: PreTrainedTokenizerFast
) -> tuple[Tensor, Tensor]:
    """Replace the captions where ``drop`` is true by the empty prompt, padded to the same length."""
    empty = tokenizer(prompt_text("", tokenizer)).input_ids
    row = torch.zeros(tokens.shape[1], dtype=torch.long)
    row[: len(empty)] = torch.tensor(empty)
    tokens = torch.where(drop[:, None], row.to(tokens.device), tokens)
    return tokens, torch.where(drop, torch.full_like(lengths, len(empty)), lengths)


assert CAPTION_LIMIT % CAPTION_STEP == 0  # noqa: S101 - a cut caption must fit its group
