"""The LoRAs of people's requests.

* ``stacks``  which LoRAs a picture gets, at which strengths: helpers attached, weights bounded and scaled

Tests: ``pytest tests/unit/bot/desk/loras``.
"""
