"""Typed commands about a job: which job, which picture, and what cannot be undone."""

import pytest

from bot.commands.grammar import parse
from bot.commands.values import (
    Command,
    Delete,
    Draw,
    Edit,
    Enlarge,
    ListReports,
    Original,
    Pick,
    Publish,
    Repeat,
    Report,
    Reroll,
    Vary,
)
from bot.errors import BadPicture, MissingValue


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/again", Reroll("")),
        ("/again #k3f9", Reroll("k3f9")),
        ("/再画 k3f9", Reroll("k3f9")),
        ("/same k3f9", Repeat("k3f9")),
        ("/vary", Vary("", 0)),
        ("/vary 2", Vary("", 1)),
        ("/vary k3f9 2 --strong", Vary("k3f9", 1, strong=True)),
        ("/vary --strong 2 k3f9", Vary("k3f9", 1, strong=True)),
        ("/变化 k3f9 ２ --强", Vary("k3f9", 1, strong=True)),
        ("/變化 2", Vary("", 1)),
        ("/larger k3f9 4", Enlarge("k3f9", 3)),
        ("/pick 3", Pick("", 2)),
        ("/edit", Edit("")),
        ("/original k3f9", Original("k3f9")),
        ("/publish k3f9", Publish("k3f9")),
        ("/delete k3f9", Delete("k3f9")),
        ("/删除 k3f9", Delete("k3f9")),
        ("/report k3f9", Report("k3f9")),
        ("/reports", ListReports()),
        ("删除背景里的人", Draw("删除背景里的人")),  # without a slash it is a prompt
        ("公开 的 笑容", Draw("公开 的 笑容")),
    ],
)
def test_a_typed_command_about_a_job_is_understood(text: str, command: Command) -> None:
    assert parse(text) == command


@pytest.mark.parametrize("text", ["/publish", "/delete", "/report", "/删除"])
def test_what_cannot_be_undone_needs_a_job(text: str) -> None:
    with pytest.raises(MissingValue):
        parse(text)


@pytest.mark.parametrize("text", ["/vary 0", "/larger k3f9 17", "/pick 99"])
def test_a_picture_that_no_job_has_is_refused(text: str) -> None:
    with pytest.raises(BadPicture):
        parse(text)
