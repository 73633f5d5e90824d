"""Published single files of Z-Image's transformer: bfloat16, 8 bits and GGUF. They are read to be converted.

``file``         finds such a file, checks its tensors, and reads their numbers by the library's names
``names``        ComfyUI's names → the library's, and the shapes that a configuration asks for
``comfyui_file`` bfloat16, fp8 with scales, and int8 with scales and ConvRot's rotation
``gguf_file``    llama.cpp's container: Q4 to Q8, F16, BF16

A file carries the transformer alone and is in the model's ``transformer`` folder, in place of the library's
files. Anything unknown in it is refused by name. Tests: ``pytest tests/unit/engine/checkpoint/published``.
"""
