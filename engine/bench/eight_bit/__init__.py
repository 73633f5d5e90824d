"""Products in eight bits: their speed on this card, and their error with planted outliers.

``products``  ``python -m engine.bench.eight_bit.products``: TFLOP/s, and what feeds the products
``outliers``  ``python -m engine.bench.eight_bit.outliers``: errors of whole steps at real sizes
"""
