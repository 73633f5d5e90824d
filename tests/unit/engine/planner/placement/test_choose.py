"""The plan is the fastest that fits, in the host's format, and a refusal says what is missing."""

import itertools

import pytest

from engine.config import WeightFormat, WeightLocation
from engine.formatting import GIB
from engine.planner.placement.choose import SLOWER, choose_plan, formats_of
from engine.planner.placement.values import NoPlan, Placed, Situation
from tests.unit.engine.planner.placement.situations import BF16, EVERY, SIZES, situation

CAPS_GIB = (140.0, 60.0, 40.0, 32.0, 24.0, 22.5, 20.0, 16.0, 14.0, 12.0, 10.0, 8.0, 7.0, 6.0, 5.0)


def placed(given: Situation) -> Placed:
    answer = choose_plan(given)
    assert isinstance(answer, Placed), answer
    return answer


@pytest.mark.parametrize("formats", [BF16, EVERY])
@pytest.mark.parametrize(("free_gib", "ram_gib"), [*itertools.product(CAPS_GIB, (8.0, 13.5, 32.0, 64.0))])
def test_a_plan_never_takes_more_than_what_is_free(
    free_gib: float, ram_gib: float, formats: frozenset[WeightFormat]
) -> None:
    given = situation("H200", free_gib, ram_gib, formats)
    answer = placed(given)
    assert answer.option.bytes <= given.card.free_bytes
    assert answer.plan.budget_bytes == given.card.free_bytes
    needs_little = answer.plan.base is not WeightLocation.PINNED
    assert answer.option.ram_bytes <= given.ram_free_bytes or needs_little
    for other in answer.alternatives:
        assert other.bytes <= given.card.free_bytes


def test_more_memory_is_never_slower() -> None:
    seconds = [placed(situation("H200", free_gib)).option.expected_s for free_gib in CAPS_GIB]
    for more, less in itertools.pairwise(seconds):
        assert more <= less * 1.1  # the price of tiles and of a smaller cache is not in the seconds


@pytest.mark.parametrize(
    ("free_gib", "code", "base", "encoder"),
    [
        (139.5, "two_copies", WeightLocation.CARD, WeightLocation.CARD),
        (23.5, "one_copy", WeightLocation.PINNED, WeightLocation.CARD),
        (22.0, "one_copy", WeightLocation.PINNED, WeightLocation.CARD),
        (15.5, "one_copy", WeightLocation.PINNED, WeightLocation.PINNED),
        (11.5, "streamed", WeightLocation.PINNED, WeightLocation.PINNED),
        (7.5, "streamed", WeightLocation.PINNED, WeightLocation.PINNED),
        (5.5, "streamed", WeightLocation.PINNED, WeightLocation.PINNED),
    ],
)
def test_bf16_goes_down_the_options_in_order(
    free_gib: float, code: str, base: WeightLocation, encoder: WeightLocation
) -> None:
    answer = placed(situation("H200", free_gib))
    assert (answer.reason.code, answer.plan.base, answer.plan.encoder) == (code, base, encoder)


@pytest.mark.parametrize(
    ("free_gib", "formats", "most_s"),
    [(15.5, BF16, 0.5), (11.5, BF16, 0.8), (7.5, BF16, 1.4), (7.5, EVERY, 0.7)],
)
def test_a_new_prompt_on_a_capped_h200_takes_what_is_expected(
    free_gib: float, formats: frozenset[WeightFormat], most_s: float
) -> None:
    usual = placed(situation("H200", free_gib, formats=formats)).option.predictions[0]
    assert usual.picture_s + usual.prompt_s <= most_s


def test_auto_keeps_bf16_where_it_fits_and_tells_what_eight_bits_would_take() -> None:
    answer = placed(situation("H200", 139.5, formats=EVERY))
    assert answer.plan.weight_format is WeightFormat.BF16
    assert answer.reason.hint == "allow_eight_bits"
    assert answer.reason.facts["other"] == "fp8"
    assert answer.reason.facts["other_s"] == pytest.approx(0.19, rel=0.07)


def test_auto_takes_eight_bits_where_bf16_does_not_fit_and_tells_why() -> None:
    answer = placed(situation("RTX 3060", ram_gib=32, formats=EVERY))
    assert answer.plan.weight_format is WeightFormat.INT8
    assert answer.reason.hint == "eight_bits"
    seconds, bf16_s = answer.reason.facts["seconds"], answer.reason.facts["bf16_s"]
    assert isinstance(seconds, float)
    assert isinstance(bf16_s, float)
    assert bf16_s > SLOWER * seconds


def test_auto_takes_eight_bits_on_a_card_without_bf16_units() -> None:
    assert placed(situation("T4", ram_gib=32, formats=EVERY)).plan.weight_format is WeightFormat.INT8


def test_a_host_who_allows_bf16_alone_is_told_of_faster_eight_bits() -> None:
    answer = placed(situation("RTX 3060", ram_gib=32))
    assert answer.plan.weight_format is WeightFormat.BF16
    assert (answer.reason.hint, answer.reason.facts["other"]) == ("allow_eight_bits", "int8")


@pytest.mark.parametrize(
    ("card", "weight_format"), [("H200", WeightFormat.FP8), ("RTX 4090", WeightFormat.INT8)]
)
def test_the_eight_bit_format_is_the_cards_faster_one(card: str, weight_format: WeightFormat) -> None:
    assert placed(situation(card)).reason.facts["other"] == weight_format


def test_a_card_that_cannot_multiply_in_the_hosts_format_draws_in_bf16_and_tells_it() -> None:
    answer = placed(situation("RTX 3060", ram_gib=32, formats=frozenset({WeightFormat.FP8})))
    assert answer.plan.weight_format is WeightFormat.BF16
    assert (answer.reason.hint, answer.reason.facts["wanted"]) == ("no_units", "fp8")


def test_a_machine_with_16_gib_draws_from_the_disk() -> None:
    answer = placed(situation("RTX 3060", ram_gib=13.5, formats=EVERY))
    assert answer.plan.base is WeightLocation.DISK
    assert answer.reason.code == "one_copy_disk"


def test_a_size_that_fits_in_no_plan_is_given_up_before_smaller_ones() -> None:
    answer = placed(situation("H200", 5.1))
    assert answer.sizes == SIZES[:2]
    assert len(answer.option.predictions) == 2


def test_a_refusal_says_how_much_is_missing_and_what_to_do() -> None:
    answer = choose_plan(situation("RTX 4060", 2.0))
    assert isinstance(answer, NoPlan)
    assert answer.needed_bytes - answer.missing_bytes == 2 * GIB
    assert answer.advice == "close_programs"


def test_the_alternatives_are_ranked_and_differ() -> None:
    answer = placed(situation("H200", 60, formats=EVERY))
    layouts = [
        (each.plan.weight_format, each.plan.base, each.plan.encoder, each.streamed_bytes > 0)
        for each in (answer.option, *answer.alternatives)
    ]
    assert len(set(layouts)) == len(layouts) > 5


@pytest.mark.parametrize(
    ("precision", "formats"), [("auto", EVERY), ("bf16", BF16), ("int8", frozenset({WeightFormat.INT8}))]
)
def test_the_setting_names_the_allowed_formats(precision: str, formats: frozenset[WeightFormat]) -> None:
    assert formats_of(precision) == formats
