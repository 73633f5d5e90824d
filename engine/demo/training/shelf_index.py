"""Writes titles, triggers and weights of the built-in LoRAs to ``loras.toml`` beside the files."""

from pathlib import Path

from engine.demo.faces.styles import SHELF
from engine.demo.phrases import TRIGGERS

TITLES = {
    "sugar": ("Sugar: luminous skin, gradient blush, gloss", "Sugar：水光肌、渐变腮红、镜面唇"),
    "anime": ("Anime: large eyes, flat colour, line work", "动漫：大眼睛、平涂、勾线"),
    "realistic": ("Realistic: deep soft shading, film grain", "写实：柔和光影、胶片颗粒"),
}


def write_shelf_index(path: Path) -> None:
    """Write the entries of the three LoRAs on the shelf."""
    lines = []
    for name in SHELF:
        english, chinese = TITLES[name]
        lines += [f"[{name}]", f'title.en = "{english}"', f'title.zh-CN = "{chinese}"']
        lines += [f'trigger = "{TRIGGERS[name]}"', "weight = 1.0", ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")
