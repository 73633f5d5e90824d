"""Stage ``probe``: trains the probe on rendered faces and tests it on held-out rendered faces."""

import torch
import torch.nn.functional as nn
from torch import Tensor

from engine.demo.captions import make_rng
from engine.demo.faces.traits import TRAITS
from engine.demo.probe import STYLE_NAMES, Probe, roughen
from engine.demo.training.precision import working_precision
from engine.demo.training.run import TrainingRun, learning_rate, set_learning_rate
from engine.demo.training.samples import FacePictures, batches

PEAK = 2e-3
UNKNOWN = -100  # the label of half a style; cross entropy ignores it

LabelledPictures = list[tuple[FacePictures, int]]  # pictures, and the index of their style or UNKNOWN


def train_probe(run: TrainingRun, labelled: LabelledPictures, check: LabelledPictures) -> Probe:
    """Train the probe on the base and all styles, and save its accuracy on ``check``."""
    torch.manual_seed(run.seed)
    probe = Probe().to(run.device)
    if run.is_done("probe"):
        probe.load_state_dict(run.result("probe")["probe"])
        return probe.eval()
    total, batch = run.plan.probe, run.plan.probe_batch
    optimizer = torch.optim.AdamW(probe.parameters(), PEAK, weight_decay=0.02, fused=run.on_card)
    odds = [3.0 if style == STYLE_NAMES.index("base") else 1.0 for _, style in labelled]
    for step in run.steps("probe", total, {"probe": probe, "optimizer": optimizer}):
        rng = make_rng(run.seed + step)
        set_learning_rate(optimizer, learning_rate(step, total, PEAK, 100))
        pieces = [_piece(*entry, batch // 4) for entry in rng.choices(labelled, odds, k=4)]
        pictures = roughen(torch.cat([piece[0] for piece in pieces]))
        truth = {name: torch.cat([piece[1][name] for piece in pieces]) for name in pieces[0][1]}
        with working_precision(run.device):
            scores = probe(pictures)
        loss = torch.stack([
            nn.cross_entropy(scores[name].float(), truth[name], ignore_index=UNKNOWN, reduction="sum") for
            name in truth
        ]).sum() / len(pictures)  # fmt: skip
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        run.log("probe", step, loss)
    run.finish("probe", {"probe": probe.state_dict(), "accuracy": accuracy(probe.eval(), check)})
    return probe


@torch.no_grad()
def accuracy(probe: Probe, labelled: LabelledPictures) -> dict[str, float]:
    """Return the probe's accuracy for each trait and the style, 0 … 1."""
    right: dict[str, float] = {}
    seen: dict[str, int] = {}
    for pictures, style in labelled:
        for part in batches(len(pictures.pixels), 256, pictures.pixels.device):
            truth = _truth(pictures, style, part)
            reading = probe.read((pictures.floats(part) + 1) / 2)
            for name, values in truth.items():
                known = values != UNKNOWN
                right[name] = right.get(name, 0.0) + float((reading[name] == values)[known].sum())
                seen[name] = seen.get(name, 0) + int(known.sum())
    return {name: right[name] / max(1, seen[name]) for name in right}


def _piece(pictures: FacePictures, style: int, count: int) -> tuple[Tensor, dict[str, Tensor]]:
    chosen = torch.randint(len(pictures.pixels), (count,), device=pictures.pixels.device)
    return (pictures.floats(chosen) + 1) / 2, _truth(pictures, style, chosen)


def _truth(pictures: FacePictures, style: int, chosen: Tensor) -> dict[str, Tensor]:
    truth = {trait.name: pictures.faces.traits[trait.name][chosen] for trait in TRAITS}
    return truth | {"style": torch.full_like(truth["skin"], style)}
