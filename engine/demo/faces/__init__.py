"""Renders faces from formulas; uses no foreign picture.

``renderer``        the entry point, ``render_faces``
``traits``          what a face can look like, and random faces
``styles``          styles as numbers that can be scaled
``render_context``  one batch on its canvas, with colours and positions for all parts
``background``      backdrop, body, clothes and accessories
``head``            ears, face, blush, nose and mouth
``eyes``            eyes, lashes and brows
``hair``            hair behind and over the head
``shapes``          distance functions and the canvas
``palette``         colours
"""
