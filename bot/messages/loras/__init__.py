"""The messages about LoRAs.

* ``consent``   answers to decisions about who may use a LoRA
* ``shelf``     the list, one LoRA, and what hosts changed
* ``refusals``  refused LoRAs, links and downloads
* ``stacks``    notes on the LoRAs of a request
"""
