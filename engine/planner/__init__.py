"""The machine's devices as seen from the parent process, without torch.

* ``visible``      which GPUs CUDA shows: the rules of ``CUDA_VISIBLE_DEVICES``
* ``card``         the memory of one GPU or MIG instance, read through NVML
* ``main_memory``  the memory of a machine without a card, within the limits of its control group

Tests: ``pytest tests/unit/engine/planner``.
"""
