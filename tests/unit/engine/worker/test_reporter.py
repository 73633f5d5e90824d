"""What is said of one job: in order, whatever thread a file is ready in, and the end last."""

import socket
import threading
from concurrent.futures import Future

import pytest

from engine import wire
from engine.request import (
    Drawn,
    Event,
    Failed,
    FailReason,
    Finished,
    Picture,
    Progress,
    RenderRequest,
    Stopped,
    Timings,
)
from engine.worker.reporter import Encoded, EventSender, JobReporter

REQUEST = RenderRequest("j", 1, "a secret wish", 512, 768, 7, count=3)
END = Finished("j", 1, Timings(denoise_s=1.0), peak_bytes=5)


def picture(index: int) -> Picture:
    return Picture(index, 7 + index, 512, 768, b"png")


def pending(voice: JobReporter, count: int) -> list[Future[Encoded]]:
    files: list[Future[Encoded]] = [Future() for _ in range(count)]
    for file in files:
        voice.show(file)
    return files


def test_steps_are_said_at_once_pictures_in_their_order_and_the_end_last() -> None:
    said: list[Event] = []
    voice = JobReporter(REQUEST, said.append)
    first, second = pending(voice, 2)
    voice.step(0, 8)
    voice.end(lambda: END)
    second.set_result(Encoded(picture(1), 0.25))
    assert said == [Progress("j", 1, 0, 8, 8)]
    assert not voice.has_ended
    first.set_result(Encoded(picture(0), 0.5))
    assert said[1:] == [
        Drawn("j", 1, picture(0)),
        Drawn("j", 1, picture(1)),
        Finished("j", 1, Timings(denoise_s=1.0, encode_s=0.75), peak_bytes=5),
    ]
    assert voice.has_ended


def test_a_file_that_failed_fails_the_job_and_the_other_pictures_are_said() -> None:
    said: list[Event] = []
    voice = JobReporter(REQUEST, said.append)
    first, second = pending(voice, 2)
    voice.end(lambda: END)
    first.set_exception(ZeroDivisionError())
    second.set_result(Encoded(picture(1), 0.25))
    assert said == [
        Drawn("j", 1, picture(1)),
        Failed("j", 1, FailReason.WORKER_ERROR, "ZeroDivisionError"),
    ]


@pytest.mark.parametrize("end", [Stopped("j", 1), Failed("j", 1, FailReason.BLANK_PICTURE)])
def test_pictures_made_before_a_job_stopped_or_failed_are_said_before_that(end: Stopped | Failed) -> None:
    said: list[Event] = []
    voice = JobReporter(REQUEST, said.append)
    [file] = pending(voice, 1)
    voice.end(end)
    assert said == []
    file.set_result(Encoded(picture(0), 0.5))
    assert said == [Drawn("j", 1, picture(0)), end]


def test_the_end_is_said_once_when_files_are_ready_in_many_threads() -> None:
    for _ in range(50):
        said: list[Event] = []
        voice = JobReporter(REQUEST, said.append)
        files = pending(voice, 3)
        threads = [
            threading.Thread(target=file.set_result, args=[Encoded(picture(index), 0.25)])
            for index, file in enumerate(files)
        ]
        threads.append(threading.Thread(target=voice.end, args=[lambda: END]))
        for thread in threads:
            thread.start()
        voice.wait()
        for thread in threads:
            thread.join()
        assert [type(event) for event in said] == [Drawn, Drawn, Drawn, Finished]
        assert [event.picture.index for event in said if isinstance(event, Drawn)] == [0, 1, 2]


def test_nobody_who_speaks_waits_for_the_socket() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answers = EventSender(theirs)
        messages = [Drawn("j", 1, Picture(index, 7, 512, 768, bytes(2**20))) for index in range(8)]
        for message in messages:  # far more than a socket holds, and nobody reads yet
            answers.put(message)
        closing = threading.Thread(target=answers.close)
        closing.start()
        assert [wire.receive_blocking(ours) for _ in messages] == messages
        closing.join(10)
        assert not closing.is_alive()
