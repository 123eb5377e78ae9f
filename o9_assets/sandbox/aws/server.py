"""The twin's HTTP server: threads in this process, on 127.0.0.1 alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from o9_assets.failures import Permanent

__all__ = ["Server"]


class _Handler(MotoRequestHandler):
    """Quiet, and without delay: AWS clients send head and body apart."""

    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        return

    def run_wsgi(self) -> None:
        super().run_wsgi()
        if self.connection.fileno() == -1:
            self.close_connection = True  # the fault injector closed it

    def finish(self) -> None:
        if self.connection.fileno() != -1:
            super().finish()


class Server:
    """Has its port from the start. Raises Permanent where the port is taken."""

    def __init__(self, port: int) -> None:
        try:
            self._bound = socket.create_server(("127.0.0.1", port))
        except OSError as error:
            raise Permanent(
                f"Port {port} cannot be had: {error.strerror}.", remedy="Name another with --port."
            ) from error
        self.port = int(self._bound.getsockname()[1])
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    def start(self, app: Callable[..., Iterable[bytes]]) -> None:
        """Serve an application until stopped."""
        # werkzeug would end the process where it cannot bind, so it is given a socket.
        made = make_server(
            "127.0.0.1", self.port, app, threaded=True, request_handler=_Handler, fd=self._bound.fileno()
        )
        self._bound.close()
        self._server = made
        self._thread = threading.Thread(
            target=lambda: made.serve_forever(poll_interval=0.05), name="twin-server", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._bound.close()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join(timeout=10)
            self._server.server_close()
