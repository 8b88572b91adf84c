"""The HTTP server that an emulator is behind."""

from __future__ import annotations

import ssl

from aiohttp import web


class Server:
    """Serves one application at one address; a request whose client has gone is cancelled."""

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None

    async def start(
        self, app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> tuple[str, int]:
        """Listen; port 0 takes a free one. Tells the host and the port."""
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=tls).start()
        address = self._runner.addresses[0]
        return address[0], address[1]

    async def stop(self) -> None:
        """End what is under way and listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
