"""The table *Which card?* of the host's guide: ``python -m engine.planner.placement.table PAGE …``.

It replaces the text between two marks of each page; a page ``*.zh-CN.md`` gets Chinese. With ``--check`` it
changes nothing and fails if a page is stale. Every figure is predicted by ``arithmetic``.
"""

import argparse
import sys
from pathlib import Path

from engine.checkpoint.part_sizes import Z_IMAGE_TURBO
from engine.config import AUTO, WeightLocation
from engine.formatting import GIB
from engine.planner.placement.arithmetic import arithmetic_s
from engine.planner.placement.cards import DESKTOP_BYTES, KNOWN_CARDS, KnownCard
from engine.planner.placement.choose import choose_plan, formats_of
from engine.planner.placement.values import Placed, Situation, WantedSize

BEGIN, END = "<!-- cards: begin -->", "<!-- cards: end -->"
ENGLISH, CHINESE = "en", "zh-CN"
RAM_BYTES = 32 * GIB
SIZES: tuple[WantedSize, ...] = ((512, 768), (1024, 1024), (1024, 1536))
WORDS = {
    ENGLISH: {
        "card": "card",
        "memory": "GiB",
        "link": "link, GB/s",
        "plan": "plan",
        "peak": "peak, GiB",
        "small": "512 × 768, s",
        "large": "1024 × 1024, s",
        "floor": "arithmetic alone, s",
        "lora": "new LoRA, s",
        "resident": "two copies",
        "one": "one copy",
        "streamed": "{resident} of 30 blocks, the rest streamed",
        "pinned_encoder": ", encoder brought in",
        "note": (
            "**Predicted, not measured**, with {ram:.0f} GiB of main memory and {desktop} GiB of the card "
            "left to others: seconds of a picture with a new prompt, *new LoRA* on top of that. *Arithmetic "
            "alone* is eight steps at the rate that the card sustains, for both sizes; what is above it is "
            "the text encoder's way over the link, streamed blocks and the decoder. Eight bits are chosen "
            'where bf16 does not fit. `sugarbot plan --card "RTX 3060"` shows more.'
        ),
    },
    CHINESE: {
        "card": "显卡",
        "memory": "GiB",
        "link": "链路，GB/s",
        "plan": "方案",
        "peak": "峰值，GiB",
        "small": "512 × 768，秒",
        "large": "1024 × 1024，秒",
        "floor": "仅算力，秒",
        "lora": "换 LoRA，秒",
        "resident": "两份权重",
        "one": "一份权重",
        "streamed": "30 个模块中 {resident} 个常驻，其余流式读入",
        "pinned_encoder": "，文本编码器按需读入",
        "note": (
            "**推算值，并非实测**：内存 {ram:.0f} GiB，显卡上给其他程序留 {desktop} GiB。"
            "秒数是换了提示词的一张图；“换 LoRA”另加。“仅算力”是显卡以持续算力跑八步的时间，两个尺寸各一个；"
            "超出的部分是文本编码器经过链路、流式读入的模块和解码。bf16 放不下时选用 8 位。"
            '`sugarbot plan --card "RTX 3060"` 给出更多数字。'
        ),
    },
}


def card_table(language: str) -> str:
    """Return the table of all known cards, and what its figures are."""
    words = WORDS[language]
    titles = ("card", "memory", "link", "plan", "peak", "small", "large", "floor", "lora")
    lines = [
        f"| {' | '.join(words[title] for title in titles)} |",
        "| --- " * len(titles) + "|",
        *(f"| {' | '.join(_cells(card, language))} |" for card in KNOWN_CARDS),
    ]
    note = words["note"].format(ram=RAM_BYTES / GIB, desktop=f"{DESKTOP_BYTES / GIB:g}")
    return "\n".join([*lines, "", note])


def fill(page: str, language: str) -> str:
    """Return a page with the present table.

    Raises:
        ValueError: The page has no marks; the message says which to write.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"write {BEGIN} and {END} where the table belongs")
    return f"{before}{begin}\n{card_table(language)}\n{end}{after}"


def language_of(page: Path) -> str:
    """Return the language of a page by its name."""
    return CHINESE if page.name.endswith(f".{CHINESE}.md") else ENGLISH


def _cells(card: KnownCard, language: str) -> list[str]:
    situation = Situation(
        card=card.info(),
        ram_free_bytes=RAM_BYTES,
        model=Z_IMAGE_TURBO,
        sizes=SIZES,
        formats=formats_of(AUTO),
    )
    answer = choose_plan(situation)
    if not isinstance(answer, Placed):
        raise TypeError(f"{card.name} has no plan")
    small, large, *_ = answer.option.predictions
    floors = (
        situation.steps * arithmetic_s(situation, answer.plan.weight_format, size) for size in SIZES[:2]
    )
    return [
        card.name,
        f"{card.total_gib:g}",
        f"{situation.card.link_bytes_s / 1e9:.0f}",
        _plan(answer, WORDS[language]),
        f"{answer.option.bytes / GIB:.1f}",
        _seconds(small.picture_s + small.prompt_s),
        _seconds(large.picture_s + large.prompt_s),
        " / ".join(map(_seconds, floors)),
        _seconds(small.lora_s),
    ]


def _plan(answer: Placed, words: dict[str, str]) -> str:
    plan = answer.plan
    if plan.base is WeightLocation.CARD:
        layout = words["resident"]
    elif answer.option.streamed_bytes:
        layout = words["streamed"].format(resident=answer.option.predictions[0].resident_blocks)
    else:
        layout = words["one"]
    encoder = "" if plan.encoder is WeightLocation.CARD else words["pinned_encoder"]
    return f"{plan.weight_format.value}: {layout}{encoder}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"


def main(words: list[str] | None = None) -> int:
    """Fill the pages, or check them; return 1 if a page has no marks or is stale."""
    parser = argparse.ArgumentParser(prog="python -m engine.planner.placement.table")
    parser.add_argument("pages", type=Path, nargs="+", help="like docs/host-guide.md")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a page is stale")
    options = parser.parse_args(words)
    stale = 0
    for page in options.pages:
        written = page.read_text(encoding="utf-8")
        try:
            filled = fill(written, language_of(page))
        except ValueError as error:
            sys.stderr.write(f"{page}: {error}\n")
            return 1
        if filled != written:
            stale = 1
            if not options.check:
                page.write_text(filled, encoding="utf-8")
    return stale if options.check else 0


if __name__ == "__main__":
    sys.exit(main())
