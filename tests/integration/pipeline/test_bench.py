"""The benchmark runs without a card, and a row that fails does not affect the others."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
import torch.nn.functional as nn

from engine.bench.command import main
from engine.bench.insert_results import BEGIN, END
from engine.bench.insert_results import main as insert_results
from engine.bench.report.markdown import lines_of
from engine.bench.report.plot import plot
from engine.bench.report.results import ResultLine, values
from engine.bench.report.targets import (
    BUSY,
    CASES,
    CHANGED,
    FIRST,
    FP8,
    FP8_FLOOR,
    IN_MEMORY,
    INT8,
    ON_CARD,
    ON_DISK,
    evaluator_for,
    targets,
)
from engine.bench.rows import lora_switch
from engine.bench.rows.baselines import StockPipeline, StrongestRecipe
from engine.bench.rows.floor import record_arithmetic
from engine.bench.rows.own_pipeline import OwnPipeline
from engine.bench.rows.queues import share
from engine.bench.rows.workload import Effort, Workload, tokens_of
from engine.zimage.device import choose_placement

pytestmark = pytest.mark.slow

WORDS = ["--tiny", "--device", "cpu", "--rounds", "1", "--pictures", "2", "--switches", "2"]
SPEED = ("E1", "E2", "E3")


@dataclass(frozen=True)
class Run:
    """The results of one run."""

    code: int
    folder: Path
    document: dict[str, Any]
    lines: list[ResultLine]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of everything, for all tests."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("bench")
    code = main([*WORDS, "--into", str(folder)])
    document = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return Run(code, folder, document, lines_of(document))


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    torch.set_num_threads(1)
    effort = Effort(rounds=1, pictures=2, switches=3)
    return Workload.random(choose_placement("cpu"), effort, tmp_path_factory.mktemp("loras"), is_tiny=True)


def test_no_row_fails_and_a_cpu_measures_all_it_can(run: Run) -> None:
    assert run.code == 0
    assert not [line for line in run.lines if line.has_failed]
    unmeasured = {line.who: line.note for line in run.lines if line.value is None}
    assert set(unmeasured) == {IN_MEMORY, BUSY, FIRST, *FP8.values(), *INT8.values(), *FP8_FLOOR.values()}
    assert all(unmeasured.values())
    assert {line.row for line in run.lines} == {"E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "E12"}


@pytest.mark.parametrize("row", SPEED)
def test_every_contender_draws_every_size(run: Run, row: str) -> None:
    own = values(run.lines, row)
    assert own.keys() >= {"stock", "recipe", "floor", "ours"}
    assert min(own.values()) > 0
    assert len({line.work for line in run.lines if line.row == row}) == 1
    assert len({line.work for line in run.lines if line.row in SPEED}) == 3


def test_our_picture_agrees_with_the_librarys_and_is_not_compared_with_itself(run: Run) -> None:
    errors = values(run.lines, "E9")
    assert tuple(errors) == CASES
    assert all(0 < error <= 1e-5 for error in errors.values())


def test_a_switch_is_measured_in_two_ways_and_does_not_change_the_base(run: Run) -> None:
    own = values(run.lines, "E5")
    for where in (ON_CARD, ON_DISK):
        assert {where, lora_switch.WHOLE.format(where)} <= own.keys()
    assert own[CHANGED] == 0
    assert {"stock, another LoRA", "recipe, another LoRA"} <= own.keys()


def test_the_targets_are_evaluated_from_the_lines(run: Run) -> None:
    verdicts = {(each["row"], each["what"]): each for each in run.document["figures"]}
    assert len(verdicts) == len(targets("float32")) == 23
    own = values(run.lines, "E1")
    assert verdicts["E1", "stock ÷ ours"]["measured"] == pytest.approx(own["stock"] / own["ours"])
    assert {each["is_met"] for key, each in verdicts.items() if key[0] in ("E4", "E12")} == {None}
    assert all(verdicts["E9", f"error, {case}"]["is_met"] for case in CASES)


def test_a_limit_is_inclusive_on_both_sides() -> None:
    def met(ours: float, stock: float) -> dict[str, bool | None]:
        lines = [
            ResultLine("E1", "ours", ours),
            ResultLine("E1", "stock", stock),
            ResultLine("E1", "floor", 1.0),
        ]
        return {each.what: each.is_met for each in evaluator_for("bfloat16")(lines) if each.row == "E1"}

    assert met(1.1, 2.64)["ours ÷ floor"] is True
    assert met(1.11, 2.7)["ours ÷ floor"] is False
    assert met(1.0, 2.4)["stock ÷ ours"] is True
    assert met(1.0, 2.3)["stock ÷ ours"] is False
    assert met(1.0, 2.3)["recipe ÷ ours"] is None


def test_the_machine_is_described_without_paths(run: Run) -> None:
    about = run.document["about"]
    assert about["device"].startswith("CPU")
    assert {"torch", "diffusers", "transformers", "peft"} == about["versions"].keys()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", about["date"])
    assert "--tiny" in about["command"]
    for name in ("results.json", "results.md", "results.svg"):
        assert str(run.folder.parent) not in (run.folder / name).read_text(encoding="utf-8")


def test_the_page_has_every_line_and_every_figure(run: Run) -> None:
    page = (run.folder / "results.md").read_text(encoding="utf-8")
    for line in run.lines:
        assert f"| {line.row} | {line.work} | {line.who} |" in page
    for each in run.document["figures"]:
        assert f"| {each['row']} | {each['what']} |" in page


def test_a_bar_is_as_long_as_its_seconds(run: Run) -> None:
    svg = ElementTree.fromstring((run.folder / "results.svg").read_text(encoding="utf-8"))  # noqa: S314 - ours
    bars = [each for each in svg.findall(".//{*}rect") if each.get("class") != "paper"]
    seconds = [values(run.lines, row)[who] for row in SPEED for who in ("stock", "recipe", "floor", "ours")]
    lengths = [float(bar.attrib["width"]) for bar in bars]
    scale = max(lengths) / max(seconds)
    assert lengths == pytest.approx([max(1.0, scale * each) for each in seconds], abs=0.1)


def test_texts_of_the_plot_do_not_overlap(run: Run) -> None:
    wide = [
        asdict(ResultLine(row, who, value, work="1024 × 1024"))
        for row in SPEED
        for who, value in (("stock", 12.34), ("recipe", 11.1), ("floor", 0.001), ("ours", 12.33))
    ]
    svg = ElementTree.fromstring(plot(run.document | {"lines": wide}))  # noqa: S314 - ours
    boxes = []
    for text in svg.findall(".//{*}text"):
        format_size, x, y = "".join(text.itertext()), float(text.attrib["x"]), float(text.attrib["y"])
        width = 8.0 * len(format_size)  # more than any of its letters takes
        left = x - width if text.get("text-anchor") == "end" else x
        boxes.append((left, y - 12, x if left < x else x + width, y + 3))
    assert len(boxes) == 2 + 3 + 2 * 12
    for index, one in enumerate(boxes):
        for other in boxes[:index]:
            apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            assert apart, (one, other)
    assert max(box[2] for box in boxes[1:] if box[3] < float(svg.attrib["height"]) - 20) <= 720


def test_a_row_that_raises_reports_the_error_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the card fell out\nand more")

    monkeypatch.setattr(lora_switch, "lines", fail)
    assert main([*WORDS, "--only", "E5,E6", "--into", str(tmp_path)]) == 1
    lines = lines_of(json.loads((tmp_path / "results.json").read_text(encoding="utf-8")))
    (failed,) = (line for line in lines if line.has_failed)
    assert (failed.row, failed.note) == ("E5", "RuntimeError: the card fell out")
    assert len(values(lines, "E6")) == 2
    assert "failed" in capsys.readouterr().out


def test_a_contender_that_cannot_be_opened_fails_only_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr(StrongestRecipe, "_load_lora", fail)
    assert main([*WORDS, "--only", "E3", "--into", str(tmp_path)]) == 1
    lines = lines_of(json.loads((tmp_path / "results.json").read_text(encoding="utf-8")))
    assert [line.who for line in lines if line.has_failed] == ["recipe"]
    assert values(lines, "E3").keys() >= {"stock", "floor", "ours"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sizes", "100x100,64x64,64x64"], "The nearest sizes: 96 × 96"),
        (["--sizes", "64x64"], "give 3 sizes"),
        (["--sizes", "a,b,c"], "not a size like 512x768"),
        (["--only", "E1,E77"], "no such row: E77"),
        (["--rounds", "0"], "not a number from 1"),
    ],
)
def test_a_wrong_command_line_is_refused_with_a_hint(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(["--tiny", "--device", "cpu", *words])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert message in capsys.readouterr().err


def test_a_folder_without_a_checkpoint_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--device", "cpu", "--folder", str(tmp_path)]) == 1
    assert "lacks" in capsys.readouterr().err


def test_sizes_of_the_command_line_are_drawn(tmp_path: Path) -> None:
    words = ["--only", "E1,E3", "--sizes", "48x64,64x48,32x32", "--into", str(tmp_path)]
    assert main([*WORDS, *words]) == 0
    lines = lines_of(json.loads((tmp_path / "results.json").read_text(encoding="utf-8")))
    assert {(line.row, line.work) for line in lines} == {("E1", "48 × 64"), ("E3", "32 × 32")}


def test_the_floor_is_exactly_the_arithmetic(workload: Workload) -> None:
    stock_pipeline = workload.twin()
    encoder, tokens = stock_pipeline.text_encoder, tokens_of(stock_pipeline, "a face")
    layers = len(encoder.layers)
    work, count = record_arithmetic(lambda: encoder(input_ids=tokens, use_cache=False))
    assert count == layers * (7 + 1)  # query, key, value, out, gate, up, down; attention
    _, again = record_arithmetic(work)
    assert again == count
    convolutions = sum(
        isinstance(module, torch.nn.Conv2d) and not name.startswith("encoder")
        for name, module in stock_pipeline.vae.named_modules()
    )
    latents = torch.randn(1, 16, 8, 8)
    _, count = record_arithmetic(lambda: stock_pipeline.vae.decode(latents))
    assert count == convolutions + 4 + 1  # the middle's one attention


def test_recorded_arithmetic_has_the_same_shapes() -> None:
    weight = torch.nn.Parameter(torch.randn(3, 5))
    seen = []
    work, _ = record_arithmetic(lambda: nn.linear(torch.zeros(2, 5), weight) + 1)

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append((func, args))
            return func(*args, **(kwargs or {}))

    with Watch():
        work()
    ((inputs, same),) = [args for func, args in seen if func is nn.linear]
    assert inputs.shape == (2, 5)
    assert same is weight
    assert inputs.any()  # zeros would flatter the card


def test_contenders_share_weights_and_do_not_change_them(workload: Workload) -> None:
    one, other = workload.twin(), workload.twin()
    before = [parameter.clone() for parameter in other.transformer.parameters()]
    stock = StockPipeline(workload)
    ours = OwnPipeline(workload)
    try:
        ours.draw(workload.sizes["E3"], 1)
        names = [name for name, _ in other.transformer.named_parameters()]
        assert not [name for name in names if "lora" in name]
        assert len(other.text_encoder.layers) == 2
        for mine, theirs, old in zip(
            one.transformer.parameters(), other.transformer.parameters(), before, strict=True
        ):
            assert mine is theirs
            assert torch.equal(mine, old)
    finally:
        ours.close()
        stock.close()


def test_the_fingerprint_detects_one_changed_bit_and_two_swapped_values(workload: Workload) -> None:
    ours = OwnPipeline(workload)
    try:
        before = ours.fingerprint()
        ours.draw(workload.sizes["E3"], 1)
        assert ours.fingerprint() == before
        weight = next(each for each in ours.parts.transformer.parameters() if each.all())
        with torch.no_grad():
            flat = weight.view(-1)
            old = flat[0].item()
            flat[0] = old * (1 + 2**-23)
            assert ours.fingerprint() != before
            flat[0] = old
            assert ours.fingerprint() == before
            first, second = flat[:2].clone(), flat[2:4].clone()
            flat[:2], flat[2:4] = second, first
            assert ours.fingerprint() != before
            flat[:2], flat[2:4] = first, second
    finally:
        ours.close()


def test_every_prompt_is_new_and_as_long_as_the_others(workload: Workload) -> None:
    stock_pipeline = workload.twin()
    prompts = [workload.prompt()[0] for _ in range(20)]
    assert len(set(prompts)) == 20
    assert len({tokens_of(stock_pipeline, prompt).shape for prompt in prompts}) == 1


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, 10)], 1.0),
        ([(0, 2), (8, 10)], 0.4),
        ([(0, 6), (4, 8), (5, 6), (8, 10)], 1.0),
        ([(5, 10), (0, 2)], 0.7),
        ([(0, 10), (1, 2), (3, 4)], 1.0),
    ],
)
def test_busy_is_the_union_of_overlapping_spans(spans: list[tuple[float, float]], expected: float) -> None:
    assert share(spans) == pytest.approx(expected)


def test_a_profiler_without_events_is_an_error() -> None:
    with pytest.raises(ValueError, match="saw nothing"):
        share([])


def test_a_start_on_a_checkpoint_is_measured(tmp_path: Path) -> None:
    assert main(["--device", "cpu", "--only", "E8", "--into", str(tmp_path)]) == 0
    lines = lines_of(json.loads((tmp_path / "results.json").read_text(encoding="utf-8")))
    own = values(lines, "E8")
    assert 0 < own["start to ready"] < own[FIRST]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card")
@pytest.mark.timeout(600)
# Warnings of the recipe's compiler.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Torchinductor does not support code generation for complex:UserWarning")
def test_a_card_measures_every_row(tmp_path: Path) -> None:
    words = [word for word in WORDS if word not in ("--device", "cpu")]
    assert main([*words, "--device", "cuda", "--into", str(tmp_path)]) == 0
    lines = lines_of(json.loads((tmp_path / "results.json").read_text(encoding="utf-8")))
    assert {line.who for line in lines if line.value is None} == {FIRST}


def test_results_are_inserted_between_the_marks_in_both_languages(run: Run, tmp_path: Path) -> None:
    pages = [tmp_path / "README.md", tmp_path / "README.zh-CN.md"]
    for page in pages:
        page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    for _ in range(2):  # a second time changes nothing
        assert insert_results([str(run.folder), *map(str, pages)]) == 0
        english, chinese = (page.read_text(encoding="utf-8") for page in pages)
        assert english.startswith(f"before\n{BEGIN}\n![")
        assert english.endswith(f"{END}\nafter\n")
        assert "old" not in english
        assert "results.svg)" in english
        assert "strongest recipe" in english
        assert "最强方案" in chinese
        assert english.count("| E1:") == chinese.count("| E1:") == 1


def test_a_page_without_marks_is_refused_with_the_marks_to_write(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "README.md"
    page.write_text("nothing\n", encoding="utf-8")
    assert insert_results([str(run.folder), str(page)]) == 1
    assert BEGIN in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == "nothing\n"
