"""The messages about LoRAs.

* ``stacks``  notes on the LoRAs of a request
"""
