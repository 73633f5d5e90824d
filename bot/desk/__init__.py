"""The use cases of the bot: accept a job, draw it, deliver its result; cancel, history, LoRAs, linking.

The package knows no platform, no SQL and no CUDA: chats pass it commands, the store keeps its state, and a
``Renderer`` draws. It answers with the values of ``bot.outcomes``.

After a crash, every accepted job waits, has ended, or is tried again, three times at most. A job costs
credits once, and only for pictures that exist. Its result is delivered, perhaps twice, to the same message.

Tests: ``pytest tests/unit/bot/desk tests/crash``.
"""
