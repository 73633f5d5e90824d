"""Prompt → embedding: tokens in the model's chat layout, then the text encoder.

``prompt.Text`` is the entry point; ``encoder`` replaces the library's layers by faster ones on a card, with
``rope_kernel`` for queries and keys.
"""
