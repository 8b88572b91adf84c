"""Files that a provider's own code interpreter has made: they live in its container for some minutes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from assistant_gateway.backend import MADE_FILE_SIZE
from assistant_gateway.errors import BackendRefused, BackendUnavailable

if TYPE_CHECKING:
    from openai import AsyncOpenAI

PATIENCE = 30.0  # seconds for one file


async def container_file(client: AsyncOpenAI, container_id: str, file_id: str) -> bytes:
    """
    The bytes of one file.

    Raises:
        BackendRefused: There is no such file, or it is too large to be kept.
        BackendUnavailable: It did not come to its end.
    """
    import httpx2
    import openai

    # The SDK loads this part when it is first looked at.
    content = await asyncio.to_thread(lambda: client.containers.files.content)
    data = bytearray()
    try:
        async with (
            asyncio.timeout(PATIENCE),
            content.with_streaming_response.retrieve(file_id, container_id=container_id) as response,
        ):
            async for chunk in response.iter_bytes():
                data += chunk
                if len(data) > MADE_FILE_SIZE:
                    raise BackendRefused(f"the file is larger than {MADE_FILE_SIZE} bytes")
    except openai.APIStatusError as error:
        raise BackendRefused(f"the provider answered with {error.status_code}") from error
    except (TimeoutError, openai.APIConnectionError, httpx2.HTTPError, OSError) as error:
        raise BackendUnavailable("the file did not come to its end") from error
    return bytes(data)
