"""Default LoRAs of chats and of the bot, and chats that change their id."""

from bot.store import Store
from bot.store.rows import DefaultLora


async def test_a_chats_default_and_its_history_move_to_its_new_id(store: Store) -> None:
    await store.defaults.set_for_chat("web", "-5", DefaultLora("sugar", 0.5))
    await store.defaults.move_chat("web", "-5", "-1005")
    assert await store.defaults.of("web", "-1005") == DefaultLora("sugar", 0.5)
    assert await store.defaults.of("web", "-5") is None
    await store.defaults.move_chat("web", "-1005", "-2005")
    assert set(await store.defaults.earlier_ids("web", "-2005")) == {"-5", "-1005"}
    assert await store.defaults.earlier_ids("discord", "-2005") == ()


async def test_a_default_that_a_chat_has_already_is_not_replaced_when_another_moves_there(
    store: Store,
) -> None:
    await store.defaults.set_for_chat("web", "old", DefaultLora("sugar", 0.5))
    await store.defaults.set_for_chat("web", "new", DefaultLora("anime", 1.0))
    await store.defaults.move_chat("web", "old", "new")
    assert await store.defaults.of("web", "new") == DefaultLora("anime", 1.0)


async def test_the_bots_default_is_the_last_one_set(store: Store) -> None:
    assert await store.defaults.of_bot() is None
    await store.defaults.set_for_bot(DefaultLora("sugar", 0.5))
    await store.defaults.set_for_bot(DefaultLora("anime", 1.0))
    assert await store.defaults.of_bot() == DefaultLora("anime", 1.0)
    await store.defaults.set_for_chat("web", "room", DefaultLora("sugar", 0.5))
    assert await store.defaults.of_bot() == DefaultLora("anime", 1.0)
