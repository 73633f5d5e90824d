"""Pauses between tries."""

from engine.backoff import Backoff


def test_pauses_grow_and_the_last_one_repeats() -> None:
    backoff = Backoff((1.0, 5.0, 20.0))
    assert [backoff.next_pause_s() for _ in range(5)] == [1.0, 5.0, 20.0, 20.0, 20.0]


def test_a_success_starts_again_with_the_shortest_pause() -> None:
    backoff = Backoff((1.0, 5.0))
    backoff.next_pause_s()
    backoff.next_pause_s()
    backoff.reset()
    assert backoff.next_pause_s() == 1.0


def test_quick_tries_can_be_skipped() -> None:
    backoff = Backoff((1.0, 5.0, 20.0))
    backoff.skip_to_longest()
    assert [backoff.next_pause_s() for _ in range(2)] == [20.0, 20.0]
    assert backoff.longest_s == 20.0
