"""What a delivery works with, and what it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime

from o9_assets.exchange.corrections import Difference
from o9_assets.exchange.lease import Lease
from o9_assets.planning.settings import Settings
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake
from o9_assets.resources.o9 import O9Client

__all__ = ["Asked", "Delivery", "DeliveryReport"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for: refused cells to be sent again, only to see what would be sent, and the difference that
    is approved where corrections are held."""

    retry_refused: bool = False
    dry_run: bool = False
    approve_corrections: str | None = None


@dataclass
class DeliveryReport:
    """What a run did. `found` requests were in o9 already; `reasons` counts refused cells; `held` corrections wait for
    approval; `difference` is what corrections change, sent or held."""

    delivery_id: str | None = None
    resumed: bool = False
    new: int = 0
    replaced: int = 0
    retracted: int = 0
    rejected: int = 0
    held: int = 0
    difference: Difference | None = None
    requests: int = 0
    found: int = 0
    members_created: int = 0
    months: set[date] = field(default_factory=set)
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass
class Delivery:
    """What a delivery works with."""

    settings: Settings
    lake: Lake
    engine: Engine
    client: O9Client
    now: datetime
    sleep: Callable[[float], None]
    progress: Callable[[str], None]
    report: DeliveryReport
    lease: Lease
