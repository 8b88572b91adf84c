"""Files that a provider's own code interpreter has made: they live in its container for some minutes."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from assistant_gateway.backend import MADE_FILE_SIZE
from assistant_gateway.errors import BackendRefused, BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from openai import AsyncOpenAI

PATIENCE = 30.0  # seconds for one file


class _Streamed(Protocol):
    """An SDK answer whose body is not read yet."""

    def iter_bytes(self) -> AsyncIterator[bytes]: ...


async def container_file(client: AsyncOpenAI, container_id: str, file_id: str) -> bytes:
    """
    The bytes of one file.

    Raises:
        BackendRefused: There is no such file, or it is too large to be kept.
        BackendUnavailable: It did not come to its end.
    """
    # The SDK loads this part when it is first looked at.
    content = await asyncio.to_thread(lambda: client.containers.files.content)
    return await download(content.with_streaming_response.retrieve(file_id, container_id=container_id))


async def download(opening: AbstractAsyncContextManager[_Streamed]) -> bytes:
    """The bytes of the file that *opening* asks for; raises as `container_file`."""
    import httpx2
    import openai

    data = bytearray()
    try:
        async with asyncio.timeout(PATIENCE), opening as response:
            async for chunk in response.iter_bytes():
                data += chunk
                if len(data) > MADE_FILE_SIZE:
                    raise BackendRefused(f"the file is larger than {MADE_FILE_SIZE} bytes")
    except openai.APIStatusError as error:
        raise BackendRefused(f"the provider answered with {error.status_code}") from error
    except (TimeoutError, openai.APIConnectionError, httpx2.HTTPError, OSError) as error:
        raise BackendUnavailable("the file did not come to its end") from error
    return bytes(data)
