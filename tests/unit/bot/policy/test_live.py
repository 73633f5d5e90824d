"""Decisions add to the settings, and count at once."""

from bot.policy.live import LiveRules
from bot.policy.rules import Ban, Rules

BASE = Rules(hosts=frozenset({"discord:1"}), allow=frozenset({"discord:300"}), max_waiting=7)


def test_decisions_add_to_the_settings_and_replace_earlier_decisions() -> None:
    rules = LiveRules(BASE)
    assert rules.now == BASE
    rules.replace_decisions(hosts=["telegram:2"], allow=["telegram:-5"], bans=[Ban("discord:9", 10, "spam")])
    assert rules.now.hosts == {"discord:1", "telegram:2"}
    assert rules.now.allow == {"discord:300", "telegram:-5"}
    assert rules.now.bans == {"discord:9": Ban("discord:9", 10, "spam")}
    assert rules.now.max_waiting == 7
    rules.replace_decisions(hosts=[], allow=[], bans=[])
    assert rules.now == BASE


def test_other_settings_leave_the_decisions() -> None:
    rules = LiveRules(BASE)
    rules.replace_decisions(hosts=["telegram:2"], allow=[], bans=[])
    rules.replace_settings(Rules(hosts=frozenset({"discord:8"}), max_waiting=1))
    assert rules.now == Rules(hosts=frozenset({"discord:8", "telegram:2"}), max_waiting=1)
