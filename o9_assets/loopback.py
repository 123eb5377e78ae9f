"""Which hosts are this machine itself: only to them is anything sent, or made up, that must not reach another."""

__all__ = ["is_loopback"]


def is_loopback(host: str | None) -> bool:
    """Whether a host's name or address, an IPv6 one with or without its brackets, is this machine's own."""
    return host is not None and host.strip("[]") in ("127.0.0.1", "localhost", "::1")
