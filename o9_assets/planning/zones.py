"""Names of time zones."""

from zoneinfo import ZoneInfo, available_timezones

from o9_assets.planning.model import suggest

__all__ = ["zone_problem"]


def zone_problem(value: str) -> str | None:
    """What is wrong with an IANA name, or None."""
    try:
        # Files of the system beside the zones: this machine's own zone, none at all, and clocks with leap seconds.
        if value in ("localtime", "Factory", "posixrules") or value.startswith(("right/", "posix/")):
            raise ValueError(value)
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):
        near = suggest(value, sorted(available_timezones()))
        return f"{value!r} is no IANA time zone such as Europe/Berlin{near}"
    return None
