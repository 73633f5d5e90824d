"""Stage ``loras``: one style after another is taught to a LoRA on the frozen base."""

from pathlib import Path

import torch
from diffusers import ZImagePipeline, ZImageTransformer2DModel
from peft import LoraConfig, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from torch import Tensor

from engine.demo.captions import dice_of
from engine.demo.nets import STEPS
from engine.demo.training.course import Course, rate, set_rate
from engine.demo.training.flow import Lessons, Reader, _batch, _learn, flow_loss, schedule

RANK = 12  # 0.8 MB as bfloat16
PEAK = 1.5e-3
STRENGTHS = (1.0, 0.5)  # taught together, so that half a LoRA is half a style
ODDS = (0.7, 0.3)
TARGETS = (
    r"(layers|noise_refiner)\.\d+\."
    r"(attention\.(to_q|to_k|to_v|to_out\.0)|feed_forward\.(w1|w2|w3))"
)


def train_lora(
    course: Course, style: str, reader: Reader, lessons: dict[float, list[Lessons]]
) -> dict[str, Tensor]:
    """Teach one style; the reader is left as it was.

    Args:
        course: The run this stage belongs to.
        style: Its name; the stage is called after it.
        reader: The finished base.
        lessons: Strength → pictures of the style at that strength.

    Returns:
        The LoRA's tensors, named as diffusers reads them, without the ``transformer.`` before them.
    """
    stage = f"lora-{style}"
    if course.is_done(stage):
        kept: dict[str, Tensor] = course.result(stage)["lora"]
        return kept
    torch.manual_seed(course.seed + sum(style.encode()))
    reader.requires_grad_(False)
    transformer = reader.transformer
    transformer.add_adapter(
        LoraConfig(r=RANK, lora_alpha=RANK, target_modules=TARGETS, init_lora_weights="gaussian")
    )
    weights = [weight for weight in transformer.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, PEAK, betas=(0.9, 0.98), weight_decay=0.0, fused=course.on_card)
    total, levels = course.plan.lora, schedule().to(course.device)
    try:
        for step in course.steps(stage, total, {"optimizer": optimizer, "reader": reader}):
            dice = dice_of(course.seed + step)
            set_rate(optimizer, rate(step, total, PEAK, 50))
            strength = dice.choices(STRENGTHS, ODDS)[0]
            set_strength(transformer, strength)
            clean, weight, tokens, lengths = _batch(lessons[strength], course.plan.lora_batch, dice)
            sigma = levels[torch.randint(STEPS, (len(clean),), device=course.device)]
            loss = flow_loss(reader, clean, weight, tokens, lengths, sigma)
            _learn(transformer, optimizer, loss)
            course.log(stage, step, loss)
        lora = {
            name: value.detach().clone() for name, value in get_peft_model_state_dict(transformer).items()
        }
    finally:
        transformer.unload_lora()
    course.finish(stage, {"lora": lora})
    return lora


def set_strength(transformer: ZImageTransformer2DModel, strength: float) -> None:
    """Let the LoRA in training act at this weight."""
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
