"""Reading a form in memory: aiohttp's own way leaves a file open when the sender dies amid a part."""

from aiohttp import BodyPartReader, web

Fields = dict[str, str]
Files = dict[str, tuple[str, bytes]]  # by field: file name, content


async def read_form(request: web.Request) -> tuple[Fields, Files]:
    """What the body holds, multipart or not; nothing for an empty body."""
    if request.content_type != "multipart/form-data":
        return {name: str(value) for name, value in (await request.post()).items()}, {}
    fields: Fields = {}
    files: Files = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        assert part.name is not None
        content = bytes(await part.read(decode=True))
        if part.filename:
            files[part.name] = part.filename, content
        else:
            fields[part.name] = content.decode()
    return fields, files
