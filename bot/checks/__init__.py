"""What ``run`` and ``doctor`` verify before the bot starts, and the folders it must be able to write."""
