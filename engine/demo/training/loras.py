"""Stage ``loras``: trains one LoRA per style on the frozen base."""

from pathlib import Path

import torch
from diffusers import ZImagePipeline, ZImageTransformer2DModel
from peft import LoraConfig, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from torch import Tensor

from engine.demo.captions import make_rng
from engine.demo.networks import STEPS
from engine.demo.training.flow import LatentDataset, VelocityModel, _batch, _learn, flow_loss, schedule
from engine.demo.training.run import TrainingRun, learning_rate, set_learning_rate

RANK = 12  # 0.8 MB as bfloat16
PEAK = 1.5e-3
STRENGTHS = (1.0, 0.5)  # trained together, so that half a LoRA gives half a style
ODDS = (0.7, 0.3)
TARGETS = (
    r"(layers|noise_refiner)\.\d+\."
    r"(attention\.(to_q|to_k|to_v|to_out\.0)|feed_forward\.(w1|w2|w3))"
)


def train_lora(
    run: TrainingRun, style: str, model: VelocityModel, datasets: dict[float, list[LatentDataset]]
) -> dict[str, Tensor]:
    """Train the LoRA of one style; the model does not change.

    Args:
        run: The run this stage belongs to.
        style: Its name, which also names the stage.
        model: The finished base.
        datasets: Strength → pictures of the style at that strength.

    Returns:
        The LoRA's tensors with diffusers' names, without the prefix ``transformer.``.
    """
    stage = f"lora-{style}"
    if run.is_done(stage):
        finished: dict[str, Tensor] = run.result(stage)["lora"]
        return finished
    torch.manual_seed(run.seed + sum(style.encode()))
    model.requires_grad_(False)
    transformer = model.transformer
    transformer.add_adapter(
        LoraConfig(r=RANK, lora_alpha=RANK, target_modules=TARGETS, init_lora_weights="gaussian")
    )
    weights = [weight for weight in transformer.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, PEAK, betas=(0.9, 0.98), weight_decay=0.0, fused=run.on_card)
    total, levels = run.plan.lora, schedule().to(run.device)
    try:
        for step in run.steps(stage, total, {"optimizer": optimizer, "reader": model}):
            rng = make_rng(run.seed + step)
            set_learning_rate(optimizer, learning_rate(step, total, PEAK, 50))
            strength = rng.choices(STRENGTHS, ODDS)[0]
            set_strength(transformer, strength)
            clean, weight, tokens, lengths = _batch(datasets[strength], run.plan.lora_batch, rng)
            sigma = levels[torch.randint(STEPS, (len(clean),), device=run.device)]
            loss = flow_loss(model, clean, weight, tokens, lengths, sigma)
            _learn(transformer, optimizer, loss)
            run.log(stage, step, loss)
        lora = {
            name: value.detach().clone() for name, value in get_peft_model_state_dict(transformer).items()
        }
    finally:
        transformer.unload_lora()
    run.finish(stage, {"lora": lora})
    return lora


def set_strength(transformer: ZImageTransformer2DModel, strength: float) -> None:
    """Set the weight of the LoRA in training."""
    for module in transformer.modules():
        if isinstance(module, LoraLayer):
            module.set_scale("default", strength)


def save_lora(path: Path, lora: dict[str, Tensor]) -> None:
    """Write one LoRA file in diffusers' layout, as bfloat16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ZImagePipeline.save_lora_weights(
        path.parent,
        {name: value.to("cpu", torch.bfloat16) for name, value in lora.items()},
        weight_name=path.name,
    )
