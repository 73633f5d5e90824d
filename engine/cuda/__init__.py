"""CUDA helpers that ``zimage`` and ``lora`` share.

``dtypes``           number formats: safetensors' names → torch
``upload``           asynchronous copies to the card
``kernel_fallback``  which errors of kernels and CUDA graphs allow a slower path
``stand_ins``        small libraries in place of NVIDIA's, on a machine without a card
``shared_library``   reads and builds such libraries
"""
