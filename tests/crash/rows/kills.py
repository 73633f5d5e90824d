"""Rows of kill -9 of desk and store: at random moments, at every await, and with planted faults."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from tests.crash.faults import FAULTS
from tests.crash.harness import EVENTS_TO_A_POINT, SPAN_S, Harness
from tests.crash.laws import Finding
from tests.crash.rows import Measured, Row, Scale

IN_PARALLEL = 2  # harnesses
KILLS_A_FOLDER = 100
POINTS_A_FOLDER = 50
EVENTS_FOR_ALL = 130  # messages after which a process has reached nearly every await of desk and store
USUAL_S, RARE_S = 4.0, 1.0  # time to reach a point: on a slow disk, and if it may never be reached
TRIES_AT_A_POINT = 10  # for points that a process reaches only by chance
ONE_IN = 8  # points in the short form
SELDOM = 2  # passes of a point in discovery that may have been chance, such as a job requeued while cancelled
MOST_UNMET = 1  # of such points, in the short form
INTERRUPTIONS = 3  # kills at random moments, so that a start finds an interrupted job
KILLS_A_FAULT = 150  # within which each fault must be detected
MOST_SENT_AGAIN = 0.2  # per kill, on the only path where an edit is impossible


def at_random(scale: Scale) -> Measured:
    """Kill the desk at random moments in many folders, then finish the remaining work of each folder."""
    wanted = scale.of(KILLS_A_FOLDER, 5_000)

    def one(number: int) -> tuple[int, Finding]:
        harness = Harness(scale.folder / str(number), seed=number + 1)
        met = 0
        while met < KILLS_A_FOLDER:  # some processes end before their kill
            met += harness.kill(KILLS_A_FOLDER - met)
        return met, _finished(harness)

    with ThreadPoolExecutor(IN_PARALLEL) as pool:
        found = list(pool.map(one, range(wanted // KILLS_A_FOLDER)))
    kills = sum(met for met, _ in found)
    summary = _summarise([finding for _, finding in found], kills)
    return Measured(f"{kills:,} kills, {summary.figures}", summary.holds and kills >= wanted)


def at_every_await(scale: Scale) -> Measured:
    """Find the awaits that a process reaches, then kill a process before and after each of them.

    The short form kills once at one point in eight, on each of eight days at others; one that discovery
    passed by chance may stay unmet. The long form kills at the first, second, … pass of a usual process, and
    starts again at the first one after the last; it meets all points.
    """
    times = scale.of(1, 20)
    finding = Harness(scale.folder / "found", has_poison=False)
    at_first = finding.reached(EVENTS_FOR_ALL)
    finding.kill(10)
    later = finding.reached(EVENTS_FOR_ALL)
    usual = finding.reached(EVENTS_TO_A_POINT)
    reached = {name: max(at_first[name], later[name]) for name in at_first}
    points = list(reached) if scale.is_long else of_day(list(reached), datetime.now(UTC).date().toordinal())
    points = [name for name in points if reached[name]]
    rounds = [(name, 1 + time % max(1, usual[name])) for time in range(times) for name in points]
    slices = [rounds[at : at + POINTS_A_FOLDER] for at in range(0, len(rounds), POINTS_A_FOLDER)]

    def one(number: int) -> list[tuple[list[str], Finding]]:
        folder = scale.folder / str(number)
        harness = Harness(folder, has_poison=False, seed=number + 1)
        met, missed = [], []
        for name, nth in slices[number]:
            timeout_s = USUAL_S if usual[name] else RARE_S
            is_met = later[name] and harness.kill_at(name, nth, timeout_s=timeout_s)
            (met if is_met else missed).append(name)
        found = [(met, _finished(harness))]
        for turn, name in enumerate(missed):  # reached only by a first process, or only after much work
            for again in range(TRIES_AT_A_POINT):
                harness = Harness(
                    folder / f"{turn}-{again}", has_poison=False, seed=number + turn + 7 * again
                )
                is_met = harness.kill_at(name, 1, timeout_s=RARE_S)
                if not is_met:
                    harness.kill(INTERRUPTIONS)
                    is_met = harness.kill_at(name, 1, timeout_s=20, events=EVENTS_FOR_ALL)
                if is_met:
                    found.append(([name], _finished(harness)))
                    break
        return found

    with ThreadPoolExecutor(IN_PARALLEL) as pool:
        found = [part for parts in pool.map(one, range(len(slices))) for part in parts]
    met = Counter(name for names, _ in found for name in names)
    summary = _summarise([finding for _, finding in found], met.total())
    missed = [name for name in points if met[name] < times]
    found_at = sum(hits > 0 for hits in reached.values())
    figures = (
        f"{found_at} of {len(reached)} points reached, {met.total():,} kills at {len(met)}, {summary.figures}"
    )
    by_chance = [name for name in missed if reached[name] <= SELDOM]
    may_miss = not scale.is_long and by_chance == missed and len(missed) <= MOST_UNMET
    return Measured(
        figures + (f"; {len(missed)} reached too rarely, such as {missed[0]}" if missed else ""),
        summary.holds and (not missed or may_miss),
    )


def of_day(points: Sequence[str], day: int) -> list[str]:
    """Return one of each eight points: befores and afters, and after eight days each."""
    return [name for at, name in enumerate(points) if (at + at // ONE_IN) % ONE_IN == day % ONE_IN]


def planted_faults(scale: Scale) -> Measured:
    """Plant one fault after another; the laws must detect each of them."""

    def one(fault: str) -> int | None:
        kills = 0
        for turn in range(10):
            harness = Harness(scale.folder / fault / str(turn), fault=fault, seed=turn + 1)
            # Some processes live long enough to meet rare events also on a busy machine.
            kills += harness.kill(KILLS_A_FAULT // 10, span_s=SPAN_S * (1 + turn % 3 * 2))
            has_ended = harness.finish(timeout_s=8)
            if not has_ended or harness.find().broken_laws:
                return kills
        return None

    with ThreadPoolExecutor(2 * IN_PARALLEL) as pool:  # some of them only wait
        detected = dict(zip(FAULTS, pool.map(one, FAULTS), strict=True))
    kills = [count for count in detected.values() if count is not None]
    missed = [fault for fault, count in detected.items() if count is None]
    figures = f"{len(kills)} of {len(detected)} detected, each within {max(kills, default=0)} kills"
    return Measured(figures + (f"; not detected: {missed}" if missed else ""), not missed)


def _finished(harness: Harness) -> Finding:
    has_ended = harness.finish(timeout_s=300)
    finding = harness.find()
    if has_ended:
        return finding
    return Finding(finding.jobs, 0, 0, ("the last process did not finish", *finding.broken_laws))


def _summarise(findings: Sequence[Finding], kills: int) -> Measured:
    """Return the laws of many folders in one line."""
    broken = [law for finding in findings for law in finding.broken_laws]
    sent_again = sum(finding.sent_again for finding in findings)
    jobs, seen_twice, edited_again = (
        sum(getattr(finding, figure) for finding in findings)
        for figure in ("jobs", "seen_twice", "edited_again")
    )
    figures = (
        f"{jobs:,} jobs, {len(broken)} laws broken, {seen_twice} shown twice on edit paths "
        f"({edited_again:,} edits repeated), {sent_again} messages sent twice where no edit is possible"
    )
    holds = not broken and sent_again <= MOST_SENT_AGAIN * kills
    return Measured(figures + (f": {broken[:5]}" if broken else ""), holds)


ROWS = (
    Row(
        "1",
        "kill -9 at random points, desk and store",
        "5,000 kills: 0 lost, 0 charged twice, 0 charged without a picture, ledger exact, all results "
        "shown, 0 shown twice on edit paths",
        at_random,
    ),
    Row(
        "2",
        "kill -9 before and after every await of desk and store",
        "every point × 20: as row 1",
        at_every_await,
    ),
    Row("3", "faults planted on purpose", "≥ 8, each detected within 150 kills", planted_faults),
)
