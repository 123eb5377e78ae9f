"""The twin's HTTP server: threads in this process, on 127.0.0.1 alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

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
    """Serves an application until stopped."""

    def __init__(self, app: Callable[..., Iterable[bytes]], port: int) -> None:
        self._server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Handler)
        self.port = int(self._server.server_port)
        self._thread = threading.Thread(target=self._serve, name="twin-server", daemon=True)

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(timeout=10)
        self._server.server_close()
