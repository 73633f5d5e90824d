"""The pictures of requests and answers: as they are uploaded, and where they are then."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from telegram import InputMediaDocument, InputMediaPhoto, Message
from telegram.constants import FileSizeLimit

from bot.chats.contract import Desk
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.outgoing.texts import FormattedText
from bot.outcomes import PictureFile, PictureMessage, Platform

PHOTO, DOCUMENT = "photo", "document"


@dataclass(frozen=True, slots=True)
class JobPicture:
    """A picture with its job; people open a spoiler themselves."""

    job_id: str
    file: PictureFile
    has_spoiler: bool = False


@dataclass(frozen=True, slots=True)
class Upload:
    """One picture to send: a complete PNG file, and the name under which people save it.

    Attributes:
        file_id: Telegram's id of the picture if it already has the file; sent instead of the file.
        has_spoiler: A photo is covered until a person taps it.
    """

    name: str
    png: bytes = field(repr=False)
    file_id: str = ""
    has_spoiler: bool = False

    @property
    def is_too_big_for_photo(self) -> bool:
        """Whether Telegram accepts it only as a document."""
        return len(self.png) > FileSizeLimit.PHOTOSIZE_UPLOAD

    def to_media(
        self, caption: FormattedText | None = None, *, as_document: bool
    ) -> InputMediaPhoto | InputMediaDocument:
        """Convert to the form that albums and edits need."""
        content = self.file_id or self.png
        text, entities = (caption.text, caption.entities) if caption else (None, None)
        if as_document:
            return InputMediaDocument(
                content,
                caption=text,
                caption_entities=entities,
                filename=self.name,
                disable_content_type_detection=True,
            )
        return InputMediaPhoto(
            content,
            caption=text,
            caption_entities=entities,
            filename=self.name,
            has_spoiler=self.has_spoiler or None,
        )


@dataclass(frozen=True, slots=True)
class SentPictures:
    """Pictures that are now in a chat.

    Attributes:
        form: ``photo`` or ``document``.
        file_ids: Telegram's ids of the files, in order; empty if the answer has none.
        message_ids: Of the messages that show them, in order.
    """

    address: ChatAddress
    form: str = PHOTO
    file_ids: tuple[str, ...] = ()
    message_ids: tuple[int, ...] = ()


def sent_pictures(address: ChatAddress, sent: Sequence[object]) -> SentPictures:
    """Read Telegram's ids of files and messages from its answer."""
    form, ids = PHOTO, []
    for message in sent:
        if isinstance(message, Message) and message.document is not None:
            form = DOCUMENT
            ids.append(message.document.file_id)
        elif isinstance(message, Message) and message.photo:
            ids.append(message.photo[-1].file_id)  # the last one is the largest
    message_ids = tuple(message.message_id for message in sent if isinstance(message, Message))
    return SentPictures(address, form, tuple(ids) if len(ids) == len(sent) else (), message_ids)


async def store_sent(desk: Desk, pictures: Sequence[JobPicture], sent: SentPictures) -> None:
    """Store Telegram's ids of pictures that were sent, and of the messages that show them."""
    for picture, file_id in zip(pictures, sent.file_ids, strict=False):
        await desk.keep_file_id(Platform.TELEGRAM, picture.job_id, picture.file, sent.form, file_id)
    chat_id = str(sent.address.chat_id)
    await desk.keep_messages(
        [
            PictureMessage(Platform.TELEGRAM, chat_id, str(message_id), picture.job_id, picture.file.index)
            for picture, message_id in zip(pictures, sent.message_ids, strict=False)
        ]
    )


def whole_job(job_id: str, address: ChatAddress) -> PictureMessage:
    """Describe a message that is about all pictures of a job."""
    return PictureMessage(Platform.TELEGRAM, str(address.chat_id), str(address.message_id), job_id)


def read_upload(picture: JobPicture) -> Upload:
    """Read a picture, with the name under which people save it. Blocks; raises ``OSError``."""
    name = f"sugarbot-{picture.job_id}-{picture.file.index + 1}.png"
    return Upload(name, picture.file.path.read_bytes(), has_spoiler=picture.has_spoiler)
