"""Keeps, evaluates and reports measured lines.

``results``   the lines of a run, and the document that holds them
``targets``   the figures to reach
``machine``   describes device, libraries, date and command
``markdown``  the document as Markdown
``plot``      the document as an SVG bar chart
"""
