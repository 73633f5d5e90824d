"""Stage ``vae``: trains the VAE, with more weight on eyes and lips."""

from typing import Any

import torch
import torch.nn.functional as nn
from diffusers import AutoencoderKL
from torch import Tensor

from engine.demo.captions import make_rng
from engine.demo.networks import new_vae
from engine.demo.training.run import MasterWeights, TrainingRun, learning_rate, set_learning_rate
from engine.demo.training.samples import FacePictures, batches

PEAK = 6e-4
KL = 3e-5  # weight of the sum over a latent's 16 channels; small, to keep detail
DETAIL_WEIGHT = 3.0  # additional weight of eyes and lips


def train_vae(run: TrainingRun, native: list[FacePictures], others: list[FacePictures]) -> AutoencoderKL:
    """Train on native pictures, in every sixth step on another size; then fit scale and shift."""
    torch.manual_seed(run.seed)
    vae = new_vae().to(run.device)
    if run.is_done("vae"):
        return _fitted(vae, run.result("vae"))
    total, batch = run.plan.vae, run.plan.vae_batch
    masters = MasterWeights(vae, PEAK, run.device)
    torch.backends.cudnn.benchmark = True  # worthwhile for only two sizes
    for step in run.steps("vae", total, {"masters": masters}):
        rng = make_rng(run.seed + step)
        pools = others if others and step % 6 == 5 else native
        pool = rng.choices(pools, [len(p.pixels) for p in pools])[0]
        chosen = torch.randint(len(pool.pixels), (batch,), device=run.device)
        set_learning_rate(masters.optimizer, learning_rate(step, total, PEAK, 300))
        loss = _loss(vae, pool.floats(chosen), pool.weight[chosen])
        vae.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        masters.step()
        run.log("vae", step, loss)
    torch.backends.cudnn.benchmark = False
    masters.close()
    scale, shift = _spread(vae, native[0])
    run.finish("vae", {"vae": vae.state_dict(), "scale": scale, "shift": shift, "psnr": psnr(vae, native[0])})
    return _fitted(vae, run.result("vae"))


def _loss(vae: AutoencoderKL, pictures: Tensor, weight: Tensor) -> Tensor:
    """Return weighted absolute and squared error, absolute error of the gradients, and a small KL term."""
    spread = vae.encode(pictures.to(vae.dtype)).latent_dist
    error = vae.decode(spread.sample()).sample.float() - pictures
    care = 1 + DETAIL_WEIGHT * nn.interpolate(weight[:, None].float() / 255, scale_factor=8, mode="bilinear")
    plain = ((error.abs() + 2 * error.square()) * care).mean() / care.mean()
    dx, dy = error.diff(dim=3).abs() * care[..., 1:], error.diff(dim=2).abs() * care[..., 1:, :]
    slopes = (dx.mean() + dy.mean()) / care.mean()
    mean, logvar = spread.mean.float(), spread.logvar.float()
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1).mean()
    total: Tensor = plain + 0.7 * slopes + KL * kl
    return total


@torch.no_grad()
def psnr(vae: AutoencoderKL, pool: FacePictures, count: int = 256) -> float:
    """Return the PSNR in dB between pictures and their reconstructions."""
    total = 0.0
    count = min(count, len(pool.pixels))
    for part in batches(count, 64, pool.pixels.device):
        pictures = pool.floats(part)
        again = vae.decode(vae.encode(pictures).latent_dist.mean).sample.clamp(-1, 1)
        total += float((again - pictures).square().mean()) * len(part)
    return float(10 * torch.log10(torch.tensor(4.0 / (total / count))))


@torch.no_grad()
def _spread(vae: AutoencoderKL, pool: FacePictures) -> tuple[float, float]:
    """Return the scale and shift that give the latents mean 0 and standard deviation 1."""
    parts = batches(min(2048, len(pool.pixels)), 128, pool.pixels.device)
    means = torch.cat([vae.encode(pool.floats(part)).latent_dist.mean for part in parts])
    return float(1 / means.std()), float(means.mean())


def _fitted(vae: AutoencoderKL, result: dict[str, Any]) -> AutoencoderKL:
    vae.load_state_dict(result["vae"])
    vae.register_to_config(scaling_factor=result["scale"], shift_factor=result["shift"])
    return vae.eval().requires_grad_(False)
