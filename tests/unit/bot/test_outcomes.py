"""The defaults of the outcomes."""

from bot.outcomes import (
    Address,
    CancelAccepted,
    CommandContext,
    History,
    HistoryEntry,
    JobState,
    Platform,
    Receipt,
    Recipe,
    RetryLater,
    Status,
)

HERE = Address(Platform.DISCORD, "20")
RECIPE = Recipe("a", (), 64, 64, 1, 1, 8)


def test_a_context_has_no_facts_that_its_chat_did_not_give() -> None:
    context = CommandContext(Platform.DISCORD, "e", "1", HERE)
    assert not context.is_group
    assert (context.space_id, context.private_address) == ("", None)


def test_a_receipt_is_by_default_for_a_new_job_of_a_loaded_model() -> None:
    receipt = Receipt("j", RECIPE, price=1, credits_left=2, position=0)
    assert not receipt.repeated
    assert not receipt.is_loading
    assert (receipt.wait, receipt.address, receipt.notes) == (None, None, ())


def test_a_job_that_stops_later_has_no_refund_yet() -> None:
    assert CancelAccepted("j", was_running=True).refund == 0


def test_a_job_that_waits_shows_no_step_and_no_picture() -> None:
    status = Status("j", HERE, "en", count=2, position=3)
    assert (status.index, status.step, status.steps, status.pictures) == (0, 0, 0, ())
    assert not status.is_loading


def test_a_history_hides_and_misses_nothing_by_default() -> None:
    entry = HistoryEntry("j", JobState.DONE, RECIPE)
    assert (entry.missing, History((entry,)).hidden) == (0, 0)


def test_exactly_three_states_are_final() -> None:
    assert [state for state in JobState if state.has_ended] == [
        JobState.DONE,
        JobState.FAILED,
        JobState.CANCELLED,
    ]


def test_a_platform_that_refuses_for_now_gives_the_reason_and_the_time() -> None:
    full = RetryLater("the chat is full", 7.0)
    assert (str(full), full.after_s) == ("the chat is full", 7.0)
