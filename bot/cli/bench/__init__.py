"""``sugarbot bench``.

* ``comparison``     against stock diffusers, the strongest known recipe and the machine's own limit
* ``article``        the method of the article that the project starts from
* ``article_table``  its results beside the article's figures
"""
