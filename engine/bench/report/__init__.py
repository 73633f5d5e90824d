"""How measured lines are kept and told: ``book`` and ``figures``, ``machine``, ``markdown``, ``plot``."""
