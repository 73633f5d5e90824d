"""The training of the built-in model. The worker never imports it.

``run``           a training run: plan, checkpoints, time limit, learning rate, averaged weights
``precision``     the number format on a card and on a CPU
``samples``       rendered faces, and captions as tokens
``datasets``      the datasets of one run, made on first use
``probe``         stage ``probe``: the classifier for the evaluation
``vae``           stage ``vae``
``text_encoder``  stage ``read``: the text encoder learns to name the traits of captions
``flow``          stages ``flow`` and ``distil``: the transformer
``loras``         stage ``loras``: one LoRA per style
``sidecars``      writes the sidecars of the LoRAs
``loss_plot``     the loss curves as SVG
"""
