"""What ``zimage`` and ``lora`` share of torch: number formats, uploads, and the errors of our own kernels."""
