"""What a request becomes before it is a job.

* ``requests``    what a request asks for, with the default LoRA of its chat
* ``remembered``  what people always want, and what hosts decided for their chats
* ``editing``     people and hosts change that
* ``recipes``     a request or an earlier job → a recipe

Tests: ``pytest tests/unit/bot/desk/asking``.
"""
