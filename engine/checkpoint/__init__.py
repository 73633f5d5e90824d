"""Model files on disk: headers, completeness, download and conversion. Never imports torch.

* ``header``         reads a safetensors header and trusts none of it
* ``contents``       which parts a Z-Image folder must have, and the shapes of its linears
* ``part_sizes``     the memory that each part takes on the card
* ``model``          finds the model that the settings name, and the sizes it draws
* ``remote``         the files of a published model, as the Hub, a mirror or ModelScope states them
* ``download``       downloads them and checks each by its hash
* ``fetch``          downloads a model in a process that can be ended
* ``copies``         which converted copy belongs to which checkpoint
* ``convert``        makes such a copy in bfloat16
* ``shards``         writes a part as safetensors files of bounded size
* ``published``      published single files of the transformer: ComfyUI's fp8 and int8, GGUF
* ``prompt_tokens``  measures a prompt in the model's tokens

Tests: ``pytest tests/unit/engine/checkpoint``.
"""
