"""The texts of the operator tab of the local page.

* ``tab``  headings, buttons and refusals
"""

from bot.messages.operator.tab import tab_text

__all__ = ["tab_text"]
