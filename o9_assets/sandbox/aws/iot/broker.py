"""The MQTT broker that devices connect to: amqtt on a thread of its own, on this machine only.

AWS wants a certificate of each device and speaks TLS; here any client may connect, in plain MQTT.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from amqtt.broker import Broker, BrokerContext
from amqtt.plugins.base import BasePlugin

from o9_assets.sandbox.aws.iot.sql import Message

__all__ = ["MqttBroker"]

READY_SECONDS = 20.0


class Listener(BasePlugin[BrokerContext]):
    """Hands every message that clients publish to `take`."""

    @dataclass
    class Config:
        """Where messages go."""

        take: Any = field(default=None)

    async def on_broker_message_received(self, *, client_id: str, message: Any) -> None:
        self.config.take(Message(str(message.topic), bytes(message.data), client_id))


class MqttBroker:
    """A broker between `start` and `stop`; `take` is called on its thread, in the order of arrival."""

    def __init__(self, take: Callable[[Message], None]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._take = take
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="twin-mqtt", daemon=True)

    def start(self) -> None:
        """Returns when clients can connect."""
        self._thread.start()
        if not self._ready.wait(READY_SECONDS):
            raise TimeoutError("the MQTT broker does not start")

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(READY_SECONDS)

    async def _serve(self) -> None:
        # It tells of every packet otherwise.
        logging.getLogger("amqtt").setLevel(logging.WARNING)
        logging.getLogger("transitions").setLevel(logging.WARNING)
        self._loop = asyncio.get_running_loop()
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}},
                "plugins": {
                    "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
                    f"{__name__}.{Listener.__name__}": {"take": self._take},
                },
            }
        )
        await broker.start()
        self._ready.set()
        await self._over.wait()
        await broker.shutdown()
