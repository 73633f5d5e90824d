"""Where the transformer's blocks live when they are not all on the card, and how many of them stay there.

``store``        the entry point, ``BlockStore``: every block is in a slot, with its LoRAs, when it is used
``slots``        what a slot holds, and which main blocks own one
``writer``       copies a block and writes it, with its LoRAs, into its slot: in place, or into eight bits
``sources``      the pristine blocks: in main memory, or in the checkpoint's files
``layout``       how the matrices of a block lie in one stretch of memory
``host_memory``  page-locked main memory
``file_chunks``  stretches of files → tensors, read by several threads
``lanes``        the card's queues: steps, copies, merges
``memory``       the free memory of the card, and what a picture takes
``fit``          fits blocks and merged copy to the free memory before each picture and after a failure

With all blocks resident, only a switch copies, and only what the old or the new LoRA changes. Otherwise the
blocks without a slot of their own pass through a ring of three in every step, and the LoRAs are merged into
the slot on the way. Either way the weights are bit-equal to those of a merged copy beside the base.

The package knows no prompts and no jobs. Tests: ``pytest tests/integration/pipeline -k 'block_store or
residency'``.
"""
