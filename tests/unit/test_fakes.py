"""The fake servers take what a real one takes."""

import asyncio

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from tests.fakes.forms import read_form

LINE = b"\r\n"


async def test_a_form_is_read_whole_when_its_bytes_arrive_in_short_pieces() -> None:
    """A read may end anywhere; aiohttp then puts bytes back by a call of its own that it deprecates."""
    picture = bytes(range(256)) * 100
    head = b'--limit\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n'
    loop = asyncio.get_running_loop()
    connection = BaseProtocol(loop)
    connection.connection_made(asyncio.Transport())
    body = StreamReader(connection, 2**16, loop=loop)
    kind = {"Content-Type": "multipart/form-data; boundary=limit"}
    reading = asyncio.create_task(
        read_form(make_mocked_request("POST", "/", kind, payload=body)), name="read the form"
    )
    for piece in (head, picture[:3], picture[3:5], picture[5:], LINE + b"--limit--" + LINE):
        body.feed_data(piece)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    body.feed_eof()
    assert await reading == ({}, {"photo": ("a.png", picture)})
