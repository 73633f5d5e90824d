"""The families of errors: who can repair them."""


class SugarbotError(Exception):
    """An error that a person must know about.

    The keyword arguments are its facts; they fill the sentence in ``bot.messages``.
    """

    def __init__(self, **facts: object) -> None:
        super().__init__(", ".join(f"{key}={value!r}" for key, value in facts.items()))
        self.facts = facts


class PersonError(SugarbotError):
    """The person can change the request; nothing is charged."""


class NotUnderstood(PersonError):
    """The message is not a complete command."""


class NotAllowed(PersonError):
    """The person may not do this."""


class NotPossible(PersonError):
    """The request is valid and allowed, but impossible now."""


class OperatorError(SugarbotError):
    """The host must repair something first."""
