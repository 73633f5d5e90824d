"""Faces drawn from formulas: traits, palettes, shapes and a painter. No foreign picture is used."""
