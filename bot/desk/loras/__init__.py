"""The LoRAs of people's requests.

* ``shelf``     finds LoRAs by what people type
* ``defaults``  the default LoRAs of chats and of the bot, which hosts switch
* ``stacks``    which LoRAs a picture gets, at which strengths: helpers attached, weights bounded and scaled

Tests: ``pytest tests/unit/bot/desk/loras``.
"""
