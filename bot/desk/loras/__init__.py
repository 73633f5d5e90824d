"""The LoRAs of people's requests.

* ``shelf``       finds LoRAs by what people type
* ``statements``  what hosts have stated about each content, also of earlier files
* ``stacks``      which LoRAs a picture gets, at which strengths: helpers attached, weights bounded and scaled
* ``consent``     who may use which LoRA; what a revocation ends
* ``habits``      which LoRAs people and chats have used, for suggestions
* ``reports``     monthly reports to the owners of LoRAs

Tests: ``pytest tests/unit/bot/desk/loras``.
"""
