"""Asks for an export when a data set of AWS Data Exchange has a revision that is not in yet, or one was revoked.

EventBridge events, where a queue is configured, say when to look; polling finds what events missed. What there is to do
is compared with the ledger of transfers, so no event is needed and none does harm twice. One request for each transfer
and tick; when the time budget is used up the next tick begins with the transfer that was not reached.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg

from o9_assets.failures import Failed
from o9_assets.planning.settings import Settings
from o9_assets.planning.transfers import DataExchangeTransfer
from o9_assets.resources.configured import LakeResource, MoversResource

if TYPE_CHECKING:
    from o9_assets.resources.transfers.revision_events import Received, RevisionEvents

__all__ = ["build"]

BUDGET_SECONDS = 40.0
EVENT_SECONDS = 8.0


def build(settings: Settings, *, running: bool, movers: bool = True) -> list[dg.SensorDefinition]:
    """The sensor; none where the company has no transfer of this kind, or the deployment no `movers`."""
    transfers = {n: t for n, t in settings.transfers.items() if isinstance(t, DataExchangeTransfer)}
    if not transfers or not movers:
        return []

    @dg.sensor(
        name="data_exchange_revisions",
        target=dg.AssetSelection.assets(*(["landing", name] for name in transfers)),
        description="Asks for exports of revisions of AWS Data Exchange that are new, or were revoked.",
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=60,
    )
    def data_exchange_revisions(
        context: dg.SensorEvaluationContext, movers: MoversResource, lake: LakeResource
    ) -> dg.SensorResult:
        from o9_assets.landing.requests import Memory, decide

        memory, looked = _loads(context.cursor)
        asked = {name: entry for name, entry in memory.asked.items() if name in transfers}
        names = sorted(transfers)
        start = names.index(memory.begin_with) if memory.begin_with in names else 0
        began, room, requests, begin_with = time.monotonic(), lake.open(), [], None
        queues, unlooked = _Queues(context, movers), set(names)
        for name in names[start:] + names[:start]:
            if time.monotonic() - began > BUDGET_SECONDS:
                begin_with = name
                break
            transfer = transfers[name]
            told = transfer.data_set in queues.data_sets(name, transfer.queue)
            due = time.time() - looked.get(name, 0) >= transfer.poll_minutes * 60
            if told or due or name in asked:
                looked[name] = time.time()
                found = _work(context, name, transfer, settings, movers, room)
                if found is None:
                    continue  # this look was in vain: events of it come back by themselves
                request, entry = decide(name, found, asked.pop(name, None), time.time())
                if entry is not None:
                    asked[name] = entry
                if request is not None:
                    context.log.info(f"{name}: {', '.join(found[:10])}")
                    requests.append(
                        dg.RunRequest(
                            run_key=request.run_key,
                            asset_selection=[dg.AssetKey(["landing", name])],
                            tags={"o9_assets/transfer": name, "o9_assets/revisions": str(request.objects)},
                        )
                    )
            unlooked.discard(name)
        queues.remove_all_but({(transfers[name].queue, transfers[name].data_set) for name in unlooked})
        cursor = _dumps(Memory(asked, begin_with), looked)
        return dg.SensorResult(run_requests=requests, skip_reason=None if requests else "nothing new", cursor=cursor)

    return [data_exchange_revisions]


class _Queues:
    """The queues of a tick. Several transfers may share one, so it is read once, and its events are removed when every
    transfer that they tell of was looked at. A queue that cannot be read is told; what it would tell, polling finds."""

    def __init__(self, context: dg.SensorEvaluationContext, movers: MoversResource) -> None:
        self._context, self._movers = context, movers
        self._read: dict[str, tuple[RevisionEvents, Received] | None] = {}

    def data_sets(self, name: str, url: str | None) -> frozenset[str]:
        """What the events in the queue of a transfer tell of."""
        if url is None:
            return frozenset()
        if url not in self._read:
            self._read[url] = None
            with self._told(name):
                events = self._movers.open_events(url)
                received = events.receive(EVENT_SECONDS)
                self._read[url] = events, received
                if received.strange:
                    self._context.log.warning(
                        f"{name}: {received.strange} messages in its queue are no event of a revision"
                    )
        read = self._read[url]
        return read[1].data_sets if read else frozenset()

    def remove_all_but(self, waiting: set[tuple[str | None, str]]) -> None:
        """Remove the events, but those of queues that tell of a data set which waits to be looked at."""
        for url, read in self._read.items():
            if read is not None and not any(queue == url and one in read[1].data_sets for queue, one in waiting):
                with self._told(url):
                    read[0].remove(read[1])

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        from botocore.exceptions import ClientError

        try:
            yield
        except (Failed, ClientError) as error:
            self._context.log.error(f"{name}: its queue: {error}")


def _work(
    context: dg.SensorEvaluationContext,
    name: str,
    transfer: DataExchangeTransfer,
    settings: Settings,
    movers: MoversResource,
    room: Any,
) -> list[str] | None:
    """What there is to do for a transfer; None where Data Exchange could not be asked. One transfer's trouble is told
    and keeps no other from being looked at."""
    from o9_assets.landing.revisions import work

    try:
        exchange = movers.open_exchange(transfer)
        feeds = {feed: settings.feeds[feed] for feed in transfer.feeds}
        return work(name, exchange, feeds, exchange.revisions(), room)
    except Failed as error:
        context.log.error(f"{name}: {error}")
        return None


def _loads(cursor: str | None) -> tuple[Any, dict[str, float]]:
    """What was asked for, and when each transfer was last looked at (seconds since 1970)."""
    from o9_assets.landing.requests import Memory

    try:
        looked = json.loads(cursor or "{}").get("looked", {})
        return Memory.loads(cursor), {str(name): float(at) for name, at in looked.items()}
    except (ValueError, AttributeError, TypeError):
        return Memory.loads(cursor), {}


def _dumps(memory: Any, looked: Mapping[str, float]) -> str:
    return json.dumps({**json.loads(memory.dumps()), "looked": dict(sorted(looked.items()))})
