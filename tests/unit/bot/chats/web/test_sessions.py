import pytest

from bot.chats.web.sessions import (
    IDLE_S,
    MAX_SESSIONS,
    MAX_STREAMS,
    MAX_STREAMS_PER_SESSION,
    Sessions,
    TooManyStreams,
    is_secret,
    new_secret,
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def make_sessions() -> tuple[Sessions, Clock]:
    clock = Clock()
    return Sessions(clock=clock), clock


def test_the_same_secret_opens_the_same_session() -> None:
    sessions, _ = make_sessions()
    secret = new_secret()

    first, is_new = sessions.open(secret, "en")
    again, is_new_again = sessions.open(secret, "zh-CN")

    assert first is again
    assert (is_new, is_new_again) == (True, False)
    assert again.conversation.locale == "en"


def test_to_look_at_a_session_opens_none_and_is_no_use_of_it() -> None:
    sessions, clock = make_sessions()
    secret = new_secret()

    unknown = sessions.look(secret, "zh-CN")
    opened, is_new = sessions.open(secret, "en")
    clock.now_s = 1.0

    assert (unknown.conversation.locale, unknown.conversation.items) == ("zh-CN", ())
    assert is_new
    assert sessions.look(secret, "zh-CN") is opened
    assert opened.used_s == 0.0


def test_the_chat_id_does_not_open_the_session() -> None:
    sessions, _ = make_sessions()
    secret = new_secret()
    conversation = sessions.open(secret, "en")[0].conversation

    assert sessions.find(conversation.chat_id) is conversation
    assert secret not in conversation.chat_id
    assert not is_secret(conversation.chat_id)
    assert (
        Sessions().open(secret, "en")[0].conversation.chat_id == conversation.chat_id
    )  # also after a restart


@pytest.mark.parametrize("value", ["", "short", "x" * 42, "x" * 44, "x" * 42 + ";", "../" * 15, "é" * 43])
def test_only_values_in_our_format_are_secrets(value: str) -> None:
    assert is_secret(new_secret())
    assert not is_secret(value)


def test_at_the_limit_the_session_used_least_recently_is_released() -> None:
    sessions, _ = make_sessions()
    secrets = [new_secret() for _ in range(MAX_SESSIONS)]
    opened = [sessions.open(secret, "en")[0] for secret in secrets]
    sessions.open(secrets[0], "en")

    sessions.open(new_secret(), "en")

    assert len(sessions) == MAX_SESSIONS
    assert [one.conversation.is_released for one in opened[:3]] == [False, True, False]


def test_a_session_with_an_open_stream_is_never_released_for_another() -> None:
    sessions, clock = make_sessions()
    watched = sessions.open(new_secret(), "en")[0]
    with sessions.stream(watched):
        clock.now_s = 10 * IDLE_S
        for _ in range(2 * MAX_SESSIONS):
            sessions.open(new_secret(), "en")
        sessions.release_idle()

    assert not watched.conversation.is_released
    assert len(sessions) == MAX_SESSIONS


def test_an_idle_session_is_released_and_forgotten() -> None:
    sessions, clock = make_sessions()
    idle = sessions.open(new_secret(), "en")[0].conversation
    clock.now_s = IDLE_S / 2
    used = sessions.open(new_secret(), "en")[0].conversation

    clock.now_s = IDLE_S
    sessions.release_idle()

    assert (idle.is_released, used.is_released) == (True, False)
    assert sessions.find(idle.chat_id) is None
    assert sessions.find(used.chat_id) is used


def test_time_with_an_open_stream_is_not_idle() -> None:
    sessions, clock = make_sessions()
    session = sessions.open(new_secret(), "en")[0]
    with sessions.stream(session):
        clock.now_s = 2 * IDLE_S

    sessions.release_idle()

    assert not session.conversation.is_released


def test_streams_are_bounded_for_one_session_and_for_all() -> None:
    sessions, _ = make_sessions()
    streams = []
    for _ in range(MAX_STREAMS // MAX_STREAMS_PER_SESSION):
        session = sessions.open(new_secret(), "en")[0]
        for _ in range(MAX_STREAMS_PER_SESSION):
            stream = sessions.stream(session)
            stream.__enter__()
            streams.append(stream)
        with pytest.raises(TooManyStreams), sessions.stream(session):
            pass

    another = sessions.open(new_secret(), "en")[0]
    with pytest.raises(TooManyStreams), sessions.stream(another):
        pass
    streams.pop().__exit__(None, None, None)
    with sessions.stream(another):
        assert another.streams == 1


def test_closing_releases_every_session() -> None:
    sessions, _ = make_sessions()
    opened = [sessions.open(new_secret(), "en")[0].conversation for _ in range(3)]

    sessions.close()

    assert len(sessions) == 0
    assert all(one.is_released for one in opened)
