"""The messages about what people ask for.

* ``answers``  settings and presets
"""
