"""Who a person is: one over several platforms, and what the host's tiers entitle them to.

* ``linking``    two become one by a code, and part again
* ``attempts``   how often codes may be tried
* ``tiers``  weight and daily credits, under every name of a person

Tests of this room alone: ``pytest tests/unit/bot/desk/people``.
"""
