"""The contenders and the rows E1 to E9 and E12.

``runner``         runs the rows in order, contender after contender
``workload``       the weights, sizes and prompts that all contenders share
``random_loras``   random LoRAs as files
``baselines``      contenders ``stock`` and ``recipe``: diffusers as documented, and at its fastest
``floor``          contender ``floor``: products, convolutions and attention alone; in fp8 for E12
``own_pipeline``   contender ``ours``: the worker's pipeline (E1 to E3)
``eight_bit``      E4, E12: pictures in fp8 and int8
``lora_switch``    E5: cost of a change of LoRA
``queues``         E6, E7: throughput of a full queue, and the card's busy share
``first_picture``  E8: worker start to first picture
``accuracy``       E9: relative error against diffusers
"""
