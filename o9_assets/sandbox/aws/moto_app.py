"""moto's application, that says of a service it does not have that it does not have it."""

from __future__ import annotations

from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication

__all__ = ["Moto"]


class Moto(DomainDispatcherApplication):
    """Raises NotImplementedError for a service that moto does not have."""

    def __init__(self, create_app: Any) -> None:
        super().__init__(create_app)
        self._backends: dict[str, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        if host is None or "amazonaws.com" not in host:
            return super().get_backend_for_host(host)
        if host not in self._backends:
            found = next((name for name, pattern in self.backend_url_patterns if pattern.match(f"http://{host}")), None)
            if found is None:
                raise NotImplementedError(host)
            self._backends[host] = found
        return self._backends[host]
