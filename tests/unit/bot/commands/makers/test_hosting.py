"""What a host types becomes the same command as what a host chooses in a menu."""

import pytest

from bot.commands.grammar import parse
from bot.commands.makers.hosting import HOSTING_MENUS, MAX_REASON_CHARS, duration_s_of
from bot.commands.values import (
    AllowAccess,
    BanPerson,
    Command,
    DisallowAccess,
    DrainQueue,
    GiveCredits,
    GrantCredits,
    Help,
    ListHostActions,
    ListPeople,
    PauseDrawing,
    ResumeDrawing,
    ShowQueue,
    ShowStatus,
    UnbanPerson,
)
from bot.errors import BadCredits, BadDuration, MissingValue, PersonError

DAY_S = 86_400


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("/status", ShowStatus()), ("状态", ShowStatus()), ("/状态", ShowStatus()),
        ("/pause", PauseDrawing()), ("/pause a new\n card", PauseDrawing("a new card")),
        ("/暂停 换显卡", PauseDrawing("换显卡")), ("/暫停 換卡", PauseDrawing("換卡")),
        ("/drain", DrainQueue()), ("/收尾 换卡", DrainQueue("换卡")),
        ("/resume", ResumeDrawing()), ("/恢复", ResumeDrawing()),
        ("/queue", ShowQueue()), ("/队列", ShowQueue()),
        ("/queue 2", ShowQueue(2)), ("/queue -p 3", ShowQueue(3)),
        ("/ban", BanPerson()), ("/ban <@1234>", BanPerson("<@1234>")),
        ("/ban discord:1 7d", BanPerson("discord:1", 7 * DAY_S)),
        ("/ban discord:1 7d spam, again", BanPerson("discord:1", 7 * DAY_S, "spam, again")),
        ("/ban discord:1 spam 7d", BanPerson("discord:1", None, "spam 7d")),
        ("/ban discord:1 0d spam", BanPerson("discord:1", None, "0d spam")),
        ('/ban "two words" 2周 刷屏', BanPerson("two words", 14 * DAY_S, "刷屏")),
        ("/ban discord:1 --duration 30min --reason too many", BanPerson("discord:1", 1_800, "too many")),
        ("/封禁 discord:1 12小时 刷屏", BanPerson("discord:1", 43_200, "刷屏")),
        ("/unban discord:1", UnbanPerson("discord:1")), ('/unban "two words"', UnbanPerson("two words")),
        ("/grant discord:1 50", GrantCredits("discord:1", 50)),
        ("/grant discord:1 -50", GrantCredits("discord:1", -50)),
        ("/grant discord:1 50 30", GrantCredits("discord:1", 50, 30)),
        ("/grant discord:1 50 30d", GrantCredits("discord:1", 50, 30)),
        ("/grant discord:1 0 0", GrantCredits("discord:1", 0, 0)),
        ("/give discord:1 5", GiveCredits("discord:1", 5)),
        ('/give "two words" --credits 5', GiveCredits("two words", 5)),
        ("/转赠 discord:1 ５", GiveCredits("discord:1", 5)),
        ("转赠额度 discord:1 5", GiveCredits("discord:1", 5)),
        ('/grant "two words" 5', GrantCredits("two words", 5)),
        ("/grant discord:1 --credits 5 --days 2", GrantCredits("discord:1", 5, 2)),
        ("/赠送 discord:1 50 30天", GrantCredits("discord:1", 50, 30)),
        ("/allow", AllowAccess()), ("/allow here", AllowAccess("here")), ("/开放 这里", AllowAccess("这里")),
        ("/disallow telegram:-5", DisallowAccess("telegram:-5")),
        ("/people", ListPeople()), ("/people ann", ListPeople("ann")), ("/用户 小明", ListPeople("小明")),
        ("/people two words --page 2", ListPeople("two words", 2)), ("/audit", ListHostActions()),
        ("/audit 3", ListHostActions(3)), ("/audit -p 2", ListHostActions(2)),
        ("/管理记录", ListHostActions()),
        ("/help", Help()), ("/help hosts", Help(for_hosts=True)), ("/help --hosts", Help(for_hosts=True)),
        ("/帮助 管理", Help(for_hosts=True)), ("/help me", Help()),
    ],
)  # fmt: skip
def test_what_is_typed(typed: str, expected: Command) -> None:
    if typed == "/ban discord:1 0d spam":  # no time: a part of the reason would surprise
        with pytest.raises(BadDuration):
            parse(typed)
        return
    assert parse(typed) == expected


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        (PauseDrawing, {"reason": "a  new card"}, PauseDrawing("a new card")),
        (DrainQueue, {}, DrainQueue()),
        (BanPerson, {"person": "<@1>", "duration": "7d", "reason": "x"}, BanPerson("<@1>", 7 * DAY_S, "x")),
        (BanPerson, {"person": "Ann Lee"}, BanPerson("Ann Lee")),
        (BanPerson, {"person": '"Ann Lee"', "reason": "x"}, BanPerson("Ann Lee", None, "x")),
        (BanPerson, {}, BanPerson()),
        (UnbanPerson, {"person": "<@1>"}, UnbanPerson("<@1>")),
        (GrantCredits, {"person": "<@1>", "credits": -5}, GrantCredits("<@1>", -5)),
        (GrantCredits, {"person": "Ann 7", "credits": 5}, GrantCredits("Ann 7", 5)),
        (GiveCredits, {"person": "Ann Lee", "credits": 5}, GiveCredits("Ann Lee", 5)),
        (GrantCredits, {"person": "<@1>", "credits": 5, "days": 0}, GrantCredits("<@1>", 5, 0)),
        (AllowAccess, {"subject": "<#1>"}, AllowAccess("<#1>")),
        (DisallowAccess, {"subject": "here"}, DisallowAccess("here")),
        (Help, {"hosts": True}, Help(for_hosts=True)),
    ],
)
def test_what_is_chosen(kind: type[Command], options: dict[str, object], expected: Command) -> None:
    assert HOSTING_MENUS[kind](options) == expected


@pytest.mark.parametrize("text", ["", "7", "d", "7 years", "-1d", "1.5h", "0m", "99999w", "٣d ", "7dd"])
def test_no_time_is_refused_by_an_option(text: str) -> None:
    with pytest.raises(BadDuration):
        duration_s_of(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30min", 1_800), ("１２ｈ", 43_200), ("7 days", 7 * DAY_S), ("2周", 14 * DAY_S), ("1小時", 3_600)],
)
def test_a_time_has_a_unit(text: str, seconds: int) -> None:
    assert duration_s_of(text) == seconds


@pytest.mark.parametrize("typed", ["/unban", "/disallow", '/unban ""', "/disallow   "])
def test_what_needs_a_name_says_so(typed: str) -> None:
    with pytest.raises(MissingValue):
        parse(typed)


@pytest.mark.parametrize(
    "word", ["pause", "drain", "ban", "unban", "allow", "disallow", "grant", "queue", "status", "resume"]
)
@pytest.mark.parametrize(
    "hostile",
    [
        "\x00\x07",
        "'; DROP TABLE permission; --",
        "<script>",
        "@everyone",
        "<@&1>",
        "\u202e" * 50,
        "x" * 7_000,
        "--",
        "--reason",
        "🜁" * 99,
    ],
)
def test_hostile_text_is_a_command_or_refused(word: str, hostile: str) -> None:
    try:
        command = parse(f"/{word} {hostile}")
    except PersonError:
        return
    assert len(getattr(command, "reason", "")) <= MAX_REASON_CHARS
    assert "\x00" not in repr(command)


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("/grant", MissingValue),
        ("/grant discord:1", MissingValue),
        ("/grant discord:1 many", BadCredits),
        ("/grant discord:1 0", BadCredits),
        ("/grant discord:1 100001", BadCredits),
        ("/grant discord:1 1.5", BadCredits),
        ("/grant discord:1 -5 30", BadCredits),
        ("/grant discord:1 5 -1", BadDuration),
        ("/grant discord:1 5 soon", BadDuration),
        ("/grant discord:1 5 3651", BadDuration),
        ("/grant discord:1 5 3 4", BadDuration),
        ("/grant discord:1 ٣", BadCredits),
    ],
)
def test_a_grant_that_makes_no_sense_is_refused(typed: str, error: type[PersonError]) -> None:
    with pytest.raises(error):
        parse(typed)
