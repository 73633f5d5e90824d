"""The text of ``/gpu``."""

from bot.messages import format_outcome
from engine.host.report import CardReport, WorkerError
from engine.planner.card import CardMemory, CardSensors
from engine.planner.headroom import Headroom
from engine.planner.placement.choose import choose_plan
from engine.planner.placement.values import Placed
from tests.unit.engine.planner.placement.situations import situation

GIB = 2**30
MEMORY = Headroom(20 * GIB, 24 * GIB, 15 * GIB, "NVIDIA A10", "NVML")
SENSORS = CardSensors(
    memory=CardMemory(9 * GIB, 24 * GIB, "NVIDIA A10"), utilisation=0.97, temperature_c=71, power_w=148.4
)
PLACED = choose_plan(situation("RTX 3060", 11))
assert isinstance(PLACED, Placed)
REPORT = CardReport(
    device_name="NVIDIA A10",
    state="ready",
    memory=MEMORY,
    sensors=SENSORS,
    plan=PLACED.reason,
    waiting=3,
    errors=(WorkerError(1_000_000_000, "The worker ended with status -9."),),
)


def test_a_report_has_memory_load_plan_and_errors_in_lines() -> None:
    first, state, plan, title, error = format_outcome(REPORT, "en").splitlines()
    assert first == (
        "NVIDIA A10 · 15.0 of 24.0 GiB used · 20.0 GiB free for a job · load 97 % · 71 °C · 148 W · 3 waiting"
    )
    assert state == "The model is loaded."
    assert "blocks stay on the card" in plan
    assert title == "Recent errors:"
    assert error.endswith("The worker ended with status -9.")
    assert "2001" in error


def test_a_report_is_chinese_for_a_chinese_host() -> None:
    lines = format_outcome(REPORT, "zh-CN").splitlines()
    assert "排队 3 个" in lines[0]
    assert lines[1] == "模型已加载。"
    assert lines[4].endswith("绘图进程退出，状态码 -9。")


def test_a_report_names_the_default_lora_of_the_chat() -> None:
    told = CardReport(device_name="NVIDIA A10", state="ready", memory=MEMORY, default_lora="sugar")
    assert format_outcome(told, "en").splitlines()[2] == "Default LoRA here: sugar"
    none = CardReport(device_name="NVIDIA A10", state="ready", memory=MEMORY, default_lora="")
    assert format_outcome(none, "zh-CN").splitlines()[2] == "这里的默认 LoRA：无"


def test_a_released_card_is_no_lost_worker() -> None:
    released = CardReport(device_name="NVIDIA A10", state="released", memory=MEMORY, loading_s=7.6)
    assert format_outcome(released, "en").splitlines()[1:] == [
        "The card is released, because no job came for a while; the next one loads the model. "
        "A start takes about 8 s."
    ]
