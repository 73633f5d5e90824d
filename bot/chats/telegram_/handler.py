"""Handles one update: parses it, asks the desk once, and sends the reply until it arrives.

An update is finished after its reply is sent, or when no reply can ever be sent. What a crash interrupts is
handled again after the next start. The desk then gives the same answer without doing the work twice, and a
job that was announced before is not announced again.
"""

import asyncio
import contextlib
import json
from collections import OrderedDict
from dataclasses import replace
from functools import partial

import structlog
from telegram import Bot
from telegram.constants import ChatAction
from telegram.error import BadRequest, Forbidden, RetryAfter, TelegramError

from bot import messages
from bot.chats.contract import Desk
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.controls import PressAnswer, cancel_keyboard
from bot.chats.telegram_.delivery import PictureResender, Reply, SendStep
from bot.chats.telegram_.event_kinds import UpdateKind
from bot.chats.telegram_.parsing import (
    BotAdded,
    ButtonPress,
    GroupMigrated,
    IgnoredUpdate,
    LoraDocument,
    ParsedUpdate,
    RejectedMessage,
    TextMessage,
    bot_link,
    parse_update,
)
from bot.chats.telegram_.placeholders import PlaceholderRegistry
from bot.chats.telegram_.rate_limiter import retry_after_s
from bot.chats.telegram_.sender import Sender
from bot.commands.buttons import press_of
from bot.commands.grammar import parse, with_file
from bot.commands.values import LONG_COMMANDS, Cancel, Command, Draw, Help, LoraOffer, SentFile
from bot.errors import AlreadyEnded, NoPrivateChat, PersonError
from bot.outcomes import (
    CancelAccepted,
    CommandContext,
    History,
    Originals,
    Outcome,
    Platform,
    Receipt,
    Undeliverable,
)
from engine.backoff import Backoff

RETRY_PAUSES_S = (1.0, 5.0, 20.0, 60.0)  # between tries to send a reply; the last one repeats …
SHOW_WORK_AFTER_S = 1.5  # a quicker answer needs no announcement
MAX_TRIES = 1_440  # … for a day, as long as Telegram keeps an update
MAX_DESK_CALLS = 8  # updates that wait for the desk at the same time
MAX_REMEMBERED_ALBUMS = 256  # answered albums; their other items follow within a second
ACTION_TIMEOUT_S = 10.0

log = structlog.get_logger(__name__)


class UpdateHandler:
    """Turns updates into calls of the desk and replies."""

    def __init__(self, bot: Bot, sender: Sender, desk: Desk, registry: PlaceholderRegistry) -> None:
        self._bot = bot
        self._sender = sender
        self._desk = desk
        self._registry = registry
        self._pictures = PictureResender(sender, desk)
        self._desk_slots = asyncio.Semaphore(MAX_DESK_CALLS)
        self._answered_albums: OrderedDict[str, None] = OrderedDict()
        self._closing = asyncio.Event()
        self._long: dict[str, asyncio.Task[None]] = {}  # by event: commands that take minutes

    def close(self) -> None:
        """Stop retrying, and stop long commands: after the next start they are handled again."""
        self._closing.set()
        for task in self._long.values():
            task.cancel()

    async def handle(self, event_id: str, payload: str) -> None:
        """Answer one stored update, and finish it once its reply is sent or can never be sent.

        A command that takes long is answered in a task of its own: it must not delay its chat.
        """
        try:
            update = parse_update(json.loads(payload), self._bot.bot)
        except Exception:
            # Supervision point: a malformed update must not stop the others, and must not be retried.
            log.exception("event failed", event_id=event_id)
            await self._desk.finish_event(Platform.TELEGRAM, event_id)
            return
        if not (isinstance(update, TextMessage) and _takes_long(update)):
            await self._answer_and_finish(event_id, update)
        elif event_id not in self._long:
            answering = self._answer_long(event_id, update)
            self._long[event_id] = asyncio.create_task(answering, name=f"telegram long {event_id}")

    async def _answer_long(self, event_id: str, update: TextMessage) -> None:
        try:
            await self._answer_and_finish(event_id, update)
        finally:
            del self._long[event_id]  # not before: the event is dispatched again until it is finished

    async def _answer_and_finish(self, event_id: str, update: ParsedUpdate) -> None:
        try:
            if isinstance(update, IgnoredUpdate):
                write = log.info if update.kind is UpdateKind.UNKNOWN else log.debug
                write("update ignored", event_id=event_id, kind=update.kind.name)
            elif not await self._answer(event_id, update):
                return
        except (Undeliverable, BadRequest) as error:
            log.warning("answer cannot be sent", event_id=event_id, reason=str(error))
        except Exception:
            # Supervision point: a fault in one update must not stop the others, and must not be retried.
            log.exception("event failed", event_id=event_id)
        await self._desk.finish_event(Platform.TELEGRAM, event_id)

    async def _answer(self, event_id: str, update: ParsedUpdate) -> bool:
        """Make the reply and send it, with retries while the network fails; False if ``close`` came first."""
        reply: Reply | None = None
        is_apology = False
        backoff = Backoff(RETRY_PAUSES_S)
        for _ in range(MAX_TRIES):
            try:
                reply = reply or await self._make_reply(update)
                await reply.send()
            except (Undeliverable, BadRequest):
                raise
            except (TelegramError, TimeoutError) as error:
                log.warning("answer delayed", event_id=event_id, reason=repr(error))
                pause_s = backoff.next_pause_s()
                if isinstance(error, RetryAfter):
                    pause_s = max(pause_s, retry_after_s(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._closing.wait()
                if self._closing.is_set():
                    return False
            except Exception as error:
                if is_apology:
                    raise
                # Supervision point: a fault of ours goes to the log, and the person gets an apology.
                log.exception("event failed", event_id=event_id)
                if reply is not None and reply.is_accepted:
                    return True  # the job runs; an apology would make the person ask, and pay, again
                reply, is_apology = self._make_apology(update, error), True
            else:
                return True
        raise Undeliverable("Telegram took no answer for a day")

    async def _make_reply(self, update: ParsedUpdate) -> Reply:
        """Call the desk and make the reply from its outcome.

        Raises:
            TelegramError, TimeoutError: Nothing was done; call again.
        """
        match update:
            case TextMessage():
                return await self._reply_to_text(update)
            case ButtonPress():
                return await self._reply_to_press(update)
            case RejectedMessage():
                return await self._reply_to_rejected(update)
            case BotAdded():
                text = messages.greeting(self._bot.username, update.context.locale)
                refusal = await self._refusal_of_chat(update.context)
                if refusal is not None:
                    text = messages.format_error(refusal, update.context.locale)
                return self._text_reply(update.address, text)
            case GroupMigrated():
                old_id, new_id = str(update.old_chat_id), str(update.new_chat_id)
                await self._desk.migrate_chat(Platform.TELEGRAM, old_id, new_id)
        return Reply()

    def _make_apology(self, update: ParsedUpdate, error: Exception) -> Reply:
        """Say that an internal error happened."""
        if isinstance(update, GroupMigrated | IgnoredUpdate):
            return Reply()
        text = messages.format_error(error, update.context.locale)
        if isinstance(update, ButtonPress):
            answer = PressAnswer(self._bot, self._sender, update)
            return Reply(lambda: answer.refuse(text))
        return self._text_reply(update.address, text)

    async def _reply_to_text(self, update: TextMessage) -> Reply:
        context = update.context
        try:
            command = with_file(parse(update.text), self._sent_file(update.document))
            context = await self._with_private_address(command, context)
            if isinstance(command, LONG_COMMANDS):
                outcome, update = await self._call_long(command, update)
            else:
                outcome = await self._call_desk(command, context)
        except NoPrivateChat as error:
            link = bot_link(self._bot.bot, "private")
            return self._text_reply(update.address, f"{messages.format_error(error, context.locale)}\n{link}")
        except PersonError as error:
            return self._text_reply(update.address, messages.format_error(error, context.locale))
        address = update.address
        if context.private_address is not None:
            address = ChatAddress.parse(context.private_address)
        match outcome:
            case PersonError():
                return self._text_reply(address, messages.format_error(outcome, context.locale))
            case Receipt():
                return self._accepted_reply(outcome, command, context, address)
            case History() as history:
                return Reply(
                    lambda: self._pictures.send_history(history, address, context.locale),
                    lambda: self._pictures.send_newest(history, address),
                )
            case CancelAccepted(was_running=False):
                self._registry.record_typed_cancel(outcome.job_id, address.chat_id)
        sentences = messages.format_outcome(outcome, context.locale)
        png, _ = messages.picture_of(outcome, context.locale)
        if png:
            return Reply(
                lambda: self._send_text(address, sentences),
                lambda: self._pictures.send_answer_picture(png, address),
            )
        return self._text_reply(address, sentences)

    async def _call_long(
        self, command: Command, update: TextMessage
    ) -> tuple[Outcome | PersonError, TextMessage]:
        """Call the desk; if that takes long, show it in the message that the answer will replace.

        Returns:
            The outcome or refusal, and the update with the address of its answer.
        """
        calling = asyncio.create_task(
            self._desk.handle(command, update.context), name=f"telegram desk {update.context.event_id}"
        )
        try:
            done, _ = await asyncio.wait({calling}, timeout=SHOW_WORK_AFTER_S)
            if not done:
                with contextlib.suppress(Undeliverable, TelegramError, TimeoutError):
                    working = messages.working_on_it(update.context.locale)
                    shown = await self._sender.show_text(update.address, working)
                    update = replace(update, address=shown)
            return await calling, update
        except PersonError as refusal:
            return refusal, update
        finally:
            calling.cancel()

    async def _reply_to_press(self, press: ButtonPress) -> Reply:
        answer = PressAnswer(self._bot, self._sender, press)
        locale = press.context.locale
        command: Command | None = None
        try:
            async with answer.limit_spinner():
                command = press_of(press.data)
                outcome = await self._call_desk(command, press.context)
        except PersonError as error:
            refusal = messages.format_error(error, locale)
            steps: list[SendStep] = [lambda: answer.refuse(refusal)]
            if isinstance(error, AlreadyEnded) and isinstance(command, Cancel):
                job_id = command.job_id
                steps.append(lambda: self._disable_duplicate(job_id, press))
            return Reply(*steps)
        match outcome:
            case Receipt():
                await answer.stop_spinner()
                return self._accepted_reply(outcome, command, press.context, press.address)
            case Originals() as originals:
                await answer.stop_spinner()
                return Reply(lambda: self._pictures.send_originals(originals, press.address))
            case CancelAccepted(job_id=cancelled_id):
                # The job's own message is about to say that the job is cancelled.
                await answer.stop_spinner(
                    messages.format_outcome(outcome, locale) if outcome.was_running else ""
                )
                return Reply(lambda: self._disable_duplicate(cancelled_id, press))
        await answer.stop_spinner()
        return self._text_reply(press.address, messages.format_outcome(outcome, locale))

    async def _reply_to_rejected(self, update: RejectedMessage) -> Reply:
        if update.album and update.album in self._answered_albums:
            log.debug("update ignored", event_id=update.context.event_id, kind=UpdateKind.ALBUM_ITEM.name)
            return Reply()
        text = await self._text_for_rejected(update)
        if update.album:
            self._answered_albums[update.album] = None
            if len(self._answered_albums) > MAX_REMEMBERED_ALBUMS:
                self._answered_albums.popitem(last=False)
        return self._text_reply(update.address, text)

    async def _text_for_rejected(self, update: RejectedMessage) -> str:
        locale = update.context.locale
        if update.file_name:
            try:
                outcome = await self._call_desk(LoraOffer(update.file_name), update.context)
                return messages.format_outcome(outcome, locale)
            except PersonError as refusal:
                return messages.format_error(refusal, locale)
        error = await self._refusal_of_chat(update.context) or update.error
        return messages.format_error(error, locale)

    def _sent_file(self, document: LoraDocument | None) -> SentFile | None:
        if document is None:
            return None
        read = partial(self._sender.read_document, document.file_id)
        return SentFile(document.name, document.size, read=read)

    async def _refusal_of_chat(self, context: CommandContext) -> PersonError | None:
        """Ask the desk whether it serves this chat; if not, the person learns only that."""
        try:
            await self._call_desk(Help(), context)
        except PersonError as refusal:
            return refusal
        return None

    async def _call_desk(self, command: Command, context: CommandContext) -> Outcome:
        async with self._desk_slots:
            return await self._desk.handle(command, context)

    async def _with_private_address(self, command: Command, context: CommandContext) -> CommandContext:
        """Add the person's private chat to a request for a private picture from a group.

        Only Telegram knows whether the person opened the private chat and did not block the bot. A chat
        action finds that out; it shows "typing…" there for a moment.

        Raises:
            TelegramError, TimeoutError: Telegram did not answer; call again.
        """
        if not (isinstance(command, Draw) and command.private and context.is_group):
            return context
        user_id = int(context.user_id)
        try:
            async with asyncio.timeout(ACTION_TIMEOUT_S):
                await self._bot.send_chat_action(user_id, ChatAction.TYPING)
        except (BadRequest, Forbidden):
            return context
        return replace(context, private_address=ChatAddress(user_id).to_address())

    def _text_reply(self, address: ChatAddress, text: str) -> Reply:
        return Reply(lambda: self._send_text(address, text))

    async def _send_text(self, address: ChatAddress, text: str) -> None:
        await self._sender.show_text(address, text)

    def _accepted_reply(
        self, receipt: Receipt, command: Command, context: CommandContext, address: ChatAddress
    ) -> Reply:
        is_first_try = True

        async def send() -> None:
            nonlocal receipt, is_first_try
            if not is_first_try:
                with contextlib.suppress(PersonError):  # the picture may be there by now
                    again = await self._call_desk(command, context)
                    receipt = again if isinstance(again, Receipt) else receipt
            is_first_try = False
            await self._send_placeholder(receipt, address, context.locale)

        return Reply(send, is_accepted=True)

    async def _send_placeholder(self, receipt: Receipt, address: ChatAddress, locale: str) -> None:
        """Announce a job, unless its first message exists or is being sent with the result."""
        if receipt.repeated:
            if receipt.address is None or ChatAddress.parse(receipt.address).message_id is not None:
                return
            if self._registry.is_being_sent(receipt.job_id):
                return
        text = messages.format_outcome(replace(receipt, repeated=False), locale)
        async with self._registry.sending(receipt.job_id) as placeholder:
            sent = await self._sender.show_text(address, text, cancel_keyboard(receipt.job_id, locale))
            placeholder.set_result(sent)
            await self._desk.store_placeholder(receipt.job_id, sent.to_address())

    async def _disable_duplicate(self, job_id: str, press: ButtonPress) -> None:
        """Remove the button from a second placeholder of the job, left by a crash or a lost answer."""
        stored, pressed = await self._desk.placeholder_of(job_id), press.address
        if stored is None or pressed.reply_to is None:
            return
        current = ChatAddress.parse(stored)
        is_current = current.message_id in (None, pressed.reply_to) or pressed.reply_to in current.album
        if is_current or current.chat_id != pressed.chat_id:
            return
        duplicate = ChatAddress(pressed.chat_id, message_id=pressed.reply_to)
        with contextlib.suppress(Undeliverable, TelegramError, TimeoutError):
            await self._sender.edit_text(duplicate, messages.continued_elsewhere(press.context.locale))


def _takes_long(update: TextMessage) -> bool:
    try:
        return isinstance(parse(update.text), LONG_COMMANDS)
    except PersonError:
        return False
