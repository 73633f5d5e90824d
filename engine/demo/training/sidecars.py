"""Writes titles and triggers of the built-in LoRAs to the sidecars beside the files."""

from pathlib import Path

from engine.demo.faces.styles import SHELF
from engine.demo.phrases import TRIGGERS

TITLES = {
    "sugar": ("Sugar: luminous skin, gradient blush, gloss", "Sugar：水光肌、渐变腮红、镜面唇"),
    "anime": ("Anime: large eyes, flat colour, line work", "动漫：大眼睛、平涂、勾线"),
    "realistic": ("Realistic: deep soft shading, film grain", "写实：柔和光影、胶片颗粒"),
}


def write_sidecars(folder: Path) -> None:
    """Write the sidecars of the three LoRAs on the shelf."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SHELF:
        english, chinese = TITLES[name]
        lines = [f'trigger = "{TRIGGERS[name]}"', 'base = "built-in"', ""]
        lines += ["[titles]", f'en = "{english}"', f'zh-CN = "{chinese}"', ""]
        (folder / f"{name}.toml").write_text("\n".join(lines), encoding="utf-8")
