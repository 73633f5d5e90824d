"""Where the model lives on a card: the plan, made before anything is loaded. Pure: no clock, NVML or file.

* ``values``      what the planner reads and what it answers
* ``cards``       the figures of common cards, with their sources, and the look-up by name
* ``arithmetic``  bytes and seconds of a plan
* ``options``     all plans that a machine allows
* ``choose``      the plan: the fastest that fits, its reason, and what was rejected
* ``replan``      whether a new reading changes the plan
* ``table``       the table of cards in the host's guide

Tests: ``pytest tests/unit/engine/planner/placement``.
"""
