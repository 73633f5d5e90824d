"""Memory and cost of jobs, seen from the parent process. Never imports torch.

* ``costs``        predicts the bytes and seconds of a job from what earlier ones took
* ``calibration``  measures them with two pictures where nothing is known
* ``headroom``     how many bytes a job may take now: from NVML
* ``monitor``      the newest headroom, for people to see
* ``card``         memory, properties and sensors of one GPU or MIG instance
* ``bounded``      calls a driver that may never answer
* ``machine``      this machine's card, link and main memory, as the planner wants them
* ``replanner``    whether a running worker must start again with another plan
* ``placement``    where the model lives on the card: the plan
* ``visible``      which GPUs CUDA shows: the rules of ``CUDA_VISIBLE_DEVICES``
* ``main_memory``  the memory of a machine without a card, within the limits of its control group

Tests: ``pytest tests/unit/engine/planner``.
"""
