"""The contenders and what each row of figures measures: ``table`` lists them in the order they run.

``workload`` is what all draw, with ``loras``. ``stock``, ``ours`` and ``eight`` draw it. ``floor`` and
``record`` are the card's own limit. ``switch``, ``queues``, ``same`` and ``first`` are the rows E5 to E9.
"""
