import socket
import subprocess
import sys

import pytest

from bot.chats.web import CardPanel, WebChat
from bot.errors import PackageMissing, PortTaken
from bot.messages import format_error
from tests.fakes.desk import ScriptedDesk
from tests.unit.bot.chats.making import make_receipt, make_result, make_status


def make_chat(port: int) -> WebChat:
    desk = ScriptedDesk(lambda *_: make_receipt())
    return WebChat(desk, card=lambda: CardPanel("CPU", 1, 1, 2, "a test"), host="127.0.0.1", port=port)


async def test_a_taken_port_is_reported_with_its_number() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        chat = make_chat(port)

        with pytest.raises(PortTaken) as refused:
            await chat.open()
        await chat.close()

    assert refused.value.facts == {"host": "127.0.0.1", "port": port}


async def test_a_missing_extra_is_reported_with_the_missing_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith(("bot.chats.web.", "starlette"))]:
        if name != "bot.chats.web.chat":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    chat = make_chat(0)

    with pytest.raises(PackageMissing) as refused:
        await chat.open()
    await chat.close()

    assert "pip install 'sugarbot[web]'" in format_error(refused.value, "en")
    assert refused.value.facts["package"].startswith("starlette")  # type: ignore[attr-defined]


async def test_a_result_for_a_closed_page_counts_as_delivered() -> None:
    chat = make_chat(0)

    await chat.show(make_status())
    await chat.deliver(make_result())


def test_importing_the_chat_imports_nothing_of_the_extra() -> None:
    asked = "import sys, bot.chats.web; print(sorted({'starlette', 'uvicorn'} & set(sys.modules)))"

    said = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True
    )

    assert said.stdout.strip() == "[]"
