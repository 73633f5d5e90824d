"""Replies to presses: the desk carries out the button's command; only the presser sees a refusal."""

import time
from functools import partial

from telegram import Bot

from bot import messages
from bot.chats.second_press import SecondPress
from bot.chats.telegram_.incoming.desk_calls import DeskCalls
from bot.chats.telegram_.incoming.outcomes import OutcomeReplies
from bot.chats.telegram_.incoming.press_answer import PressAnswer
from bot.chats.telegram_.incoming.updates import ButtonPress
from bot.chats.telegram_.outgoing.reply import Reply, SendStep
from bot.chats.telegram_.outgoing.sender import Sender
from bot.commands.buttons import press_of
from bot.commands.values import Cancel, Command, Delete
from bot.errors import AlreadyEnded, PersonError
from bot.outcomes import CancelAccepted, Deleted, FavouriteSet, Published, Receipt, Reported

CONFIRMATIONS = (Published, Deleted, Reported, FavouriteSet)
"""Outcomes that only the presser needs to read, for a moment."""


class PressReplies:
    """Makes the reply to one press."""

    def __init__(self, bot: Bot, sender: Sender, calls: DeskCalls, outcomes: OutcomeReplies) -> None:
        self._bot = bot
        self._sender = sender
        self._calls = calls
        self._outcomes = outcomes
        self._second_press = SecondPress()

    async def reply(self, press: ButtonPress) -> Reply:
        """Carry out the button's command and make the reply."""
        answer = PressAnswer(self._bot, self._sender, press)
        locale = press.context.locale
        command: Command | None = None
        try:
            async with answer.limit_spinner():
                command = press_of(press.data)
                if isinstance(command, Delete):
                    command = self._second_press.mark(command, press.context.user_id, press.came_s)
                outcome = await self._calls.call(command, press.context)
        except PersonError as error:
            steps: list[SendStep] = [partial(self._refuse, answer, press, error)]
            if isinstance(error, AlreadyEnded) and isinstance(command, Cancel):
                job_id = command.job_id
                steps.append(lambda: self._outcomes.disable_duplicate(job_id, press))
            return Reply(*steps)
        if isinstance(outcome, CancelAccepted):
            # The job's own message is about to say that the job is cancelled.
            await answer.stop_spinner(messages.format_outcome(outcome, locale) if outcome.was_running else "")
            cancelled_id = outcome.job_id
            return Reply(lambda: self._outcomes.disable_duplicate(cancelled_id, press))
        if isinstance(outcome, CONFIRMATIONS):
            confirmation = messages.format_outcome(outcome, locale)
            reply = Reply(lambda: answer.confirm(confirmation))
            self._outcomes.add_consequences(reply, outcome, press.address, locale)
            return reply
        is_quiet = isinstance(outcome, Receipt) and press.address.is_group
        await answer.stop_spinner(messages.format_outcome(outcome, locale) if is_quiet else "")
        return self._outcomes.show(outcome, command, press.context, press.address, turned=press.is_own)

    async def _refuse(self, answer: PressAnswer, press: ButtonPress, error: PersonError) -> None:
        await answer.refuse(messages.format_error(error, press.context.locale))
        self._second_press.note_shown(error, press.context.user_id, time.monotonic())

    def apologise(self, press: ButtonPress, error: Exception) -> Reply:
        """Make the alert for an internal error."""
        answer = PressAnswer(self._bot, self._sender, press)
        text = messages.format_error(error, press.context.locale)
        return Reply(lambda: answer.refuse(text))
