from bot.monitoring.figures import REGISTRY, note_flood_wait


def test_flood_waits_have_their_seconds() -> None:
    def seconds() -> float:
        return REGISTRY.get_sample_value("sugarbot_flood_wait_seconds_total", {"platform": "discord"}) or 0.0

    before = seconds()
    note_flood_wait("discord", 2.5)
    note_flood_wait("discord", -1)
    assert seconds() == before + 2.5
