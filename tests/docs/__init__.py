"""The generated parts of the READMEs and of ``docs/``: ``python -m tests.docs`` writes them.

A part stands between ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``; its text comes from the tables that
the bot itself uses, so that no page can say something else; a test fails if one is stale.

* ``pages``     which page has which part, and how a part is put in
* ``markdown``  tables and text that Markdown leaves alone
* ``settings``  every setting            * ``commands``  every chat command
* ``shell``     every shell command      * ``findings``  what ``doctor`` finds, and errors of a start
* ``cards``     the short table of cards   * ``alerts``   messages to hosts
"""
