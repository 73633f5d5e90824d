"""People: chats in, pictures out, quotas and history. Never imports torch.

Data flows one way: ``chats`` translate a message into a frozen command, ``desk`` decides and records,
``engine`` draws, ``chats`` deliver. The store holds every promise before a person reads it, so a crash loses
none.

* ``__main__``  the command line
* ``app``       the composition of all parts
* ``outcomes``  the values that the desk and the chats exchange
* ``errors``    everything that can go wrong, and who can repair it
* ``cli``, ``chats``, ``checks``, ``desk`` | ``card``, ``messages`` | ``monitoring`` | ``policy`` | ``store``
  | ``downloads``, ``pictures``, ``commands``, ``settings``, ``languages``: packages; each may import those
  after it, and those joined by | do not import each other
* ``uploads``   the settings inside a picture file

Tests of this package alone: ``pytest tests/unit/bot tests/integration``.
"""
