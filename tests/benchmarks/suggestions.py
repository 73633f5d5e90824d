"""How long a suggestion takes over many LoRAs: ``python -m tests.benchmarks.suggestions [count]``.

It types names, titles, pinyin, initials and typing errors letter by letter, as a person does, and prints the
time of one answer of the shelf, with access rules and preferred LoRAs.
"""

import statistics
import sys
import time
from pathlib import Path
from random import Random

from bot.desk.loras.consent import Asker, Decisions
from bot.desk.loras.shelf import LoraShelf
from engine.shelf import LoraFile, Shelf, Sidecar

ROUNDS = 5
_SYLLABLES = ("ka", "mi", "lo", "ren", "sha", "tou", "vel", "na", "dri", "po", "qui", "zen")
_SIGNS = "甜美水光肌复古胶片动漫写实柔和霓虹古风少女镜面唇清透梦幻电影暗黑可爱"


def make_shelf(count: int, random: Random) -> LoraShelf:
    """Return a shelf of this many LoRAs with English and Chinese titles, a third of them limited."""
    files = {}
    for number in range(count):
        word = "".join(random.choices(_SYLLABLES, k=3))
        name = f"{word.title()} {random.choice(_SYLLABLES)}_v{number}"
        titles = {"en": f"{word.title()} style {number}", "zh-CN": "".join(random.choices(_SIGNS, k=6))}
        people = frozenset({"discord:1"}) if number % 3 == 0 else frozenset[str]()
        files[name] = LoraFile(
            name, Path(name), f"{number:064x}", 1, 8, Sidecar(titles=titles, people=people)
        )
    return LoraShelf(Shelf(files))


def typed_texts(shelf: LoraShelf, random: Random) -> list[str]:
    """Return what people type on the way to 40 LoRAs, with and without errors."""
    texts = [""]
    for file in random.sample(shelf.all_files, min(40, len(shelf.all_files))):
        for whole in (file.name, file.titles["en"], file.titles["zh-CN"]):
            texts += [whole[:length] for length in range(1, len(whole) + 1)]
        wrong = list(file.name)
        wrong[2] = random.choice("xyz")
        texts.append("".join(wrong))
    return texts


def main(count: int) -> None:
    """Measure and print."""
    random = Random(14)
    shelf = make_shelf(count, random)
    asker = Asker(frozenset({"discord:1"}), frozenset({"discord:2"}))
    decisions, preferred = Decisions(), [file.name for file in shelf.all_files[::100]]
    times_ms = []
    texts = typed_texts(shelf, random)
    for _ in range(ROUNDS):
        for text in texts:
            began = time.perf_counter()
            found = shelf.suggest(
                text,
                "zh-CN",
                lambda file: decisions.allow(file.name, file.sha256, file.sidecar, asker, 0),
                preferred,
            )
            times_ms.append(1_000 * (time.perf_counter() - began))
            assert len(found) <= 25
    cuts = statistics.quantiles(times_ms, n=100)
    print(
        f"{count} LoRAs, {len(times_ms)} answers: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, "
        f"longest {max(times_ms):.1f} ms"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
