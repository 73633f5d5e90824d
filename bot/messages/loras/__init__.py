"""The messages about LoRAs.

* ``consent``  answers to decisions about who may use a LoRA
* ``stacks``   notes on the LoRAs of a request
"""
