"""Events of one job arrive in order, whichever thread makes a file, and the end comes last."""

import threading
from concurrent.futures import Future
from dataclasses import replace

import pytest

from engine.reporting import Encoded, JobReporter
from engine.request import (
    Drawn,
    Event,
    Failed,
    FailReason,
    Finished,
    Picture,
    Progress,
    RenderRequest,
    StartPicture,
    Stopped,
    Timings,
)
from engine.worker.failures import describe_failure

REQUEST = RenderRequest("j", 1, "a secret wish", 512, 768, 7, count=3)
END = Finished("j", 1, Timings(denoise_s=1.0), peak_bytes=5)


def picture(index: int) -> Picture:
    return Picture(index, 7 + index, 512, 768, b"png")


def pending(reporter: JobReporter, count: int) -> list[Future[Encoded]]:
    files: list[Future[Encoded]] = [Future() for _ in range(count)]
    for file in files:
        reporter.report_picture(file)
    return files


def test_steps_are_sent_at_once_pictures_in_order_and_the_end_last() -> None:
    sent: list[Event] = []
    reporter = JobReporter(REQUEST, sent.append, describe_failure)
    first, second = pending(reporter, 2)
    reporter.report_step(0, 8)
    reporter.report_end(lambda: END)
    second.set_result(Encoded(picture(1), 0.25))
    assert sent == [Progress("j", 1, 0, 8, 8)]
    assert not reporter.has_ended
    first.set_result(Encoded(picture(0), 0.5))
    assert sent[1:] == [
        Drawn("j", 1, picture(0)),
        Drawn("j", 1, picture(1)),
        Finished("j", 1, Timings(denoise_s=1.0, encode_s=0.75), peak_bytes=5),
    ]
    assert reporter.has_ended


def test_a_picture_with_a_start_counts_the_steps_that_it_takes() -> None:
    sent: list[Event] = []
    started = replace(REQUEST, start=StartPicture(b"png", 0.3))
    JobReporter(started, sent.append, describe_failure).report_step(0, 3)
    assert sent == [Progress("j", 1, 0, 3, 3)]


def test_a_failed_file_fails_the_job_and_the_other_pictures_are_sent() -> None:
    sent: list[Event] = []
    reporter = JobReporter(REQUEST, sent.append, describe_failure)
    first, second = pending(reporter, 2)
    reporter.report_end(lambda: END)
    first.set_exception(ZeroDivisionError())
    second.set_result(Encoded(picture(1), 0.25))
    assert sent == [
        Drawn("j", 1, picture(1)),
        Failed("j", 1, FailReason.WORKER_ERROR, "ZeroDivisionError"),
    ]


@pytest.mark.parametrize("end", [Stopped("j", 1), Failed("j", 1, FailReason.BLANK_PICTURE)])
def test_pictures_made_before_a_job_stopped_or_failed_are_sent_before_its_end(end: Stopped | Failed) -> None:
    sent: list[Event] = []
    reporter = JobReporter(REQUEST, sent.append, describe_failure)
    [file] = pending(reporter, 1)
    reporter.report_end(end)
    assert sent == []
    file.set_result(Encoded(picture(0), 0.5))
    assert sent == [Drawn("j", 1, picture(0)), end]


def test_the_end_is_sent_once_when_many_threads_finish_files() -> None:
    for _ in range(50):
        sent: list[Event] = []
        reporter = JobReporter(REQUEST, sent.append, describe_failure)
        files = pending(reporter, 3)
        threads = [
            threading.Thread(target=file.set_result, args=[Encoded(picture(index), 0.25)])
            for index, file in enumerate(files)
        ]
        threads.append(threading.Thread(target=reporter.report_end, args=[lambda: END]))
        for thread in threads:
            thread.start()
        reporter.wait()
        for thread in threads:
            thread.join()
        assert [type(event) for event in sent] == [Drawn, Drawn, Drawn, Finished]
        assert [event.picture.index for event in sent if isinstance(event, Drawn)] == [0, 1, 2]
