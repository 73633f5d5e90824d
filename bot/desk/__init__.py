"""The use cases of the bot: accept a job, draw it, deliver its result; cancel, history, LoRAs, linking.

The package knows no platform, no SQL and no CUDA: chats pass it commands, the store keeps its state, and a
``Renderer`` draws. It answers with the values of ``bot.outcomes``.

* ``desk``         the ``Desk``: handles commands, and runs the loops
* ``dispatch``     the parts of a desk, and which one carries out each command
* ``build``        makes the parts of a desk and connects them
* ``acceptance``   from a request to a recipe; stores and charges the job
* ``asking``       what a request becomes: settings, presets, profiles of chats, recipes
* ``cancellation`` cancels a waiting or a running job
* ``loras``        the LoRAs of a request: found by name, defaults, stacks
* ``queue``        the waiting jobs in memory; positions and steps in placeholders
* ``drawing``      takes jobs and has them drawn; the states of a taken job
* ``results``      how a job ends or waits again; delivers the results in the outbox
* ``files``        pictures on the disk, the space for them, and retries while it is full
* ``retention``    how long pictures and their files stay
* ``backups``      a backup of the database each night
* ``answers``      outcomes and refusals as JSON, from a closed set of classes
* ``shelf``        the LoRA folder in chats: list, info, switch, add, remove
* ``iterating``    what continues from a job, and what happens to it after its end
* ``finding``      what people find again: history, search, recipes by code, settings in files, export
* ``sheets``       comparisons and drafts: many settings in one job, drawn as one picture
* ``hosting``      what hosts do in chats
* ``alerts``       tells hosts in their private chats what is wrong, and that it is over
* ``people``       credits, history and linking of a person
* ``maintenance``  periodic background work

After a crash, every accepted job waits, has ended, or is tried again, three times at most. A job costs
credits once, and only for pictures that exist. Its result is delivered, perhaps twice, to the same message.

Tests: ``pytest tests/unit/bot/desk tests/crash``.
"""
