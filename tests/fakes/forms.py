"""Reading a form in memory: aiohttp's own way leaves a file open when the sender dies amid a part."""

import asyncio

from aiohttp import BodyPartReader, MultipartReader, StreamReader, web

Fields = dict[str, str]
Files = dict[str, tuple[str, bytes]]  # by field: file name, content


async def read_form(request: web.Request) -> tuple[Fields, Files]:
    """What the body holds, multipart or not; nothing for an empty body."""
    if request.content_type != "multipart/form-data":
        return {name: str(value) for name, value in (await request.post()).items()}, {}
    fields: Fields = {}
    files: Files = {}
    body = await request.read()
    # Whole: aiohttp calls a function that it deprecates if a read ends within a boundary.
    stream = StreamReader(request.protocol, len(body) + 1, loop=asyncio.get_running_loop())
    stream.feed_data(body)
    stream.feed_eof()
    async for part in MultipartReader(request.headers, stream):
        assert isinstance(part, BodyPartReader)
        assert part.name is not None
        content = bytes(await part.read(decode=True))
        if part.filename:
            files[part.name] = part.filename, content
        else:
            fields[part.name] = content.decode()
    return fields, files
