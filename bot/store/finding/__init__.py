"""How people find pictures again.

* ``queries``  the search, favourites, pages of history, and recipe codes
"""
