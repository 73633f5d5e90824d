"""CUDA helpers that ``zimage`` and ``lora`` share.

``dtypes``           number formats: safetensors' names → torch
``upload``           asynchronous copies to the card
``kernel_fallback``  which errors of kernels and CUDA graphs allow a slower path
"""
