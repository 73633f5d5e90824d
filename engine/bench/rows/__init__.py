"""The contenders and the rows E1 to E9.

``runner``         runs the rows in order, contender after contender
``workload``       the weights, sizes and prompts that all contenders share
``random_loras``   random LoRAs as files
``baselines``      contenders ``stock`` and ``recipe``: diffusers as documented, and at its fastest
``floor``          contender ``floor``: products, convolutions and attention alone
``own_pipeline``   contender ``ours``: the worker's pipeline (E1 to E3)
``fp8``            E4: pictures in fp8
``lora_switch``    E5: cost of a change of LoRA
``queues``         E6, E7: throughput of a full queue, and the card's busy share
``first_picture``  E8: worker start to first picture
``accuracy``       E9: relative error against diffusers
"""
