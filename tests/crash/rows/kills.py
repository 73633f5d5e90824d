"""Rows of kill -9 under desk and store: at random moments, at every await, and with faults planted."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.crash.faults import FAULTS
from tests.crash.harness import EVENTS_TO_A_POINT, SPAN_S, Harness
from tests.crash.laws import Finding
from tests.crash.rows import Measured, Row, Scale

AT_ONCE = 2  # harnesses side by side
KILLS_A_FOLDER = 100
POINTS_A_FOLDER = 50
EVENTS_FOR_ALL = 130  # messages after which nearly every await of desk and store was reached
USUAL_S, RARE_S = 4.0, 1.0  # for a life to reach a point: on a slow disk, and where it may never
TRIES_AT_A_POINT = 5  # where chance alone brings a life there
KILLS_A_FAULT = 150  # within which each must be seen
MOST_SENT_AGAIN = 0.2  # a kill, on the one way where an edit is impossible


def at_random(scale: Scale) -> Measured:
    """Kill the desk at random moments, in many folders, and finish what is left in each."""
    wanted = scale.of(200, 5_000)

    def one(number: int) -> tuple[int, Finding]:
        harness = Harness(scale.folder / str(number), seed=number + 1)
        met = 0
        while met < KILLS_A_FOLDER:  # some lives are over before their kill comes
            met += harness.kill(KILLS_A_FOLDER - met)
        return met, _finished(harness)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(one, range(wanted // KILLS_A_FOLDER)))
    kills = sum(met for met, _ in found)
    told = _told([finding for _, finding in found], kills)
    return Measured(f"{kills:,} kills, {told.said}", told.holds and kills >= wanted)


def at_every_await(scale: Scale) -> Measured:
    """Find the awaits that a life reaches, then die before and after each of them.

    The short form dies at each await once, here before and there after it; the long form the first, second, …
    time that a usual life comes there, and from the first on again.
    """
    times = scale.of(1, 20)
    finding = Harness(scale.folder / "found", has_poison=False)
    at_first = finding.reached(EVENTS_FOR_ALL)
    finding.kill(10)
    later = finding.reached(EVENTS_FOR_ALL)
    usual = finding.reached(EVENTS_TO_A_POINT)
    reached = {name: max(at_first[name], later[name]) for name in at_first}
    points = [name for name, hits in reached.items() if hits]
    if not scale.is_long:
        points = [name for number, name in enumerate(points) if (number + number // 2) % 2 == 0]
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
        for turn, name in enumerate(missed):  # reached in a first life, or by much work alone
            for again in range(TRIES_AT_A_POINT):
                harness = Harness(
                    folder / f"{turn}-{again}", has_poison=False, seed=number + turn + 7 * again
                )
                if harness.kill_at(name, 1, timeout_s=RARE_S) or harness.kill_at(
                    name, 1, timeout_s=20, events=EVENTS_FOR_ALL
                ):
                    found.append(([name], _finished(harness)))
                    break
        return found

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = [part for parts in pool.map(one, range(len(slices))) for part in parts]
    met = Counter(name for names, _ in found for name in names)
    told = _told([finding for _, finding in found], met.total())
    missed = [name for name in points if met[name] < times]
    found_at = sum(hits > 0 for hits in reached.values())
    said = f"{found_at} of {len(reached)} points reached, {met.total():,} kills at {len(met)}, {told.said}"
    return Measured(
        said + (f"; {len(missed)} met too seldom, as {missed[0]}" if missed else ""),
        told.holds and not missed,
    )


def planted_faults(scale: Scale) -> Measured:
    """Plant one fault after another; the laws must see each."""

    def one(fault: str) -> int | None:
        kills = 0
        for turn in range(10):
            harness = Harness(scale.folder / fault / str(turn), fault=fault, seed=turn + 1)
            # Now and then a life that is long enough to meet the rarer things also on a busy machine.
            kills += harness.kill(KILLS_A_FAULT // 10, span_s=SPAN_S * (1 + turn % 3 * 2))
            has_ended = harness.finish(timeout_s=8)
            if not has_ended or harness.find().broken_laws:
                return kills
        return None

    with ThreadPoolExecutor(2 * AT_ONCE) as pool:  # some of them only wait
        seen = dict(zip(FAULTS, pool.map(one, FAULTS), strict=True))
    kills = [count for count in seen.values() if count is not None]
    unseen = [fault for fault, count in seen.items() if count is None]
    said = f"{len(kills)} of {len(seen)} seen, each within {max(kills, default=0)} kills"
    return Measured(said + (f"; not seen: {unseen}" if unseen else ""), not unseen)


def _finished(harness: Harness) -> Finding:
    has_ended = harness.finish(timeout_s=120)
    finding = harness.find()
    if has_ended:
        return finding
    return Finding(finding.jobs, 0, 0, ("the last life did not come to its end", *finding.broken_laws))


def _told(findings: Sequence[Finding], kills: int) -> Measured:
    """The laws of many folders in one line."""
    broken = [law for finding in findings for law in finding.broken_laws]
    sent_again = sum(finding.sent_again for finding in findings)
    jobs, seen_twice, edited_again = (
        sum(getattr(finding, figure) for finding in findings)
        for figure in ("jobs", "seen_twice", "edited_again")
    )
    said = (
        f"{jobs:,} jobs, {len(broken)} laws broken, {seen_twice} seen twice on edit paths "
        f"({edited_again:,} edits repeated), {sent_again} messages sent twice where no edit is possible"
    )
    holds = not broken and sent_again <= MOST_SENT_AGAIN * kills
    return Measured(said + (f": {broken[:5]}" if broken else ""), holds)


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
