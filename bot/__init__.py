"""People: chats in, pictures out, quotas and history. Never imports torch.

Data flows one way: ``chats`` translate a message into a frozen command, ``desk`` decides and records,
``engine`` draws, ``chats`` deliver. The store holds every promise before a person reads it, so a crash loses
none.

* ``__main__``  the command line
* ``app``       the composition of all parts
* ``outcomes``  the values that the desk and the chats exchange
* ``errors``    everything that can go wrong, and who can repair it
* ``cli``, ``chats``, ``checks``, ``desk``, ``messages``, ``policy``, ``store``, ``commands``, ``settings``:
  packages; each may import those after it

Tests of this package alone: ``pytest tests/unit/bot tests/integration``.
"""
