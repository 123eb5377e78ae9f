"""S3: what moto's lacks. Objects, versions, uploads and conditions themselves are moto's.

Listings that stay quick over 100,000 objects, event notifications with versions to queues, topics, functions and
EventBridge, and the check of the expected bucket owner.
"""

from __future__ import annotations

import base64
import binascii
import queue
import threading
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from o9_assets.sandbox.aws.codec import Answer
from o9_assets.sandbox.aws.fake import Call, Fake, ServiceError
from o9_assets.sandbox.aws.routing import Request
from o9_assets.sandbox.aws.services.s3_events import Event, Notifications, events_of

if TYPE_CHECKING:
    from o9_assets.sandbox.aws.twin import Twin

__all__ = ["S3"]

READS = ("Get", "Head", "List")
LARGEST = "\U0010ffff"


class S3(Fake):
    """S3 over moto's buckets."""

    service = "s3"
    falls_through = True

    def __init__(self, twin: Twin) -> None:
        super().__init__(twin)
        self._changes = 0
        self._sorted: dict[str, tuple[tuple[int, int, int], list[str]]] = {}
        self._lock = threading.Lock()
        self._notifications = Notifications(twin)
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._deliver, name="twin-s3-events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Deliver what waits, then end."""
        self._events.put(None)
        self._thread.join(timeout=30)

    # Around moto

    def before_moto(self, request: Request, call: Call, labels: dict[str, str]) -> None:
        """Raises ServiceError AccessDenied where the caller expects another owner."""
        expected = request.headers.get("x-amz-expected-bucket-owner")
        if expected and expected != call.account:
            raise ServiceError("AccessDenied", f"The bucket's owner is not {expected}.", 403)

    def after_moto(self, request: Request, call: Call, labels: dict[str, str], answer: Answer) -> None:
        """Count the change, and let those know who asked to."""
        if call.operation.startswith(READS):
            return
        with self._lock:
            self._changes += 1
        if self._notifications.watches(labels.get("Bucket", "")):
            for event in events_of(request, call, labels, answer):
                self._events.put(event)

    def _deliver(self) -> None:
        while (event := self._events.get()) is not None:
            self._notifications.deliver(event)

    # Notifications

    def put_bucket_notification_configuration(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        bucket, wanted = request["Bucket"], request["NotificationConfiguration"]
        self._bucket(bucket, call)
        self._notifications.configure(bucket, wanted, check=not request.get("SkipDestinationValidation"))
        return {}

    def get_bucket_notification_configuration(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self._bucket(request["Bucket"], call)
        return self._notifications.configured(request["Bucket"])

    # Listings

    def list_objects_v2(self, request: dict[str, Any], call: Call) -> Answer:
        """A page in the order of names. Written by hand: sorting and serialising by shape took a second a page."""
        if request.get("ExpectedBucketOwner", call.account) != call.account:
            raise ServiceError("AccessDenied", f"The bucket's owner is not {request['ExpectedBucketOwner']}.", 403)
        name = request["Bucket"]
        with self.twin.locked("s3"):
            bucket = self._bucket(name, call)
            names = self._names(name, bucket)
            page, truncated = _page(names, bucket, request)
        url = request.get("EncodingType") == "url"
        after = request.get("StartAfter")
        token = base64.b64encode(page[-1][0].encode()).decode() if truncated and page else None
        body = "".join(
            [
                '<?xml version="1.0" encoding="UTF-8"?>\n',
                '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
                _element("Name", name),
                _element("Prefix", _encoded(request.get("Prefix", ""), url)),
                _element("Delimiter", _encoded(request["Delimiter"], url)) if request.get("Delimiter") else "",
                _element("StartAfter", _encoded(after, url)) if after else "",
                _element("MaxKeys", str(request.get("MaxKeys", 1000))),
                _element("KeyCount", str(len(page))),
                _element("IsTruncated", str(truncated).lower()),
                _element("ContinuationToken", request["ContinuationToken"]) if "ContinuationToken" in request else "",
                _element("NextContinuationToken", token) if token else "",
                "<EncodingType>url</EncodingType>" if url else "",
                *(_entry(key, found, url) for key, found in page),
                "</ListBucketResult>",
            ]
        )
        return Answer(200, body.encode(), {"Content-Type": "application/xml"})

    def _names(self, name: str, bucket: Any) -> list[str]:
        """The bucket's names in order, sorted anew only after a change."""
        state = (self._changes, id(bucket.keys), len(bucket.keys))
        known = self._sorted.get(name)
        if known is None or known[0] != state:
            known = self._sorted[name] = (state, sorted(bucket.keys))
        return known[1]

    def _bucket(self, name: str, call: Call) -> Any:
        from moto.s3.models import s3_backends

        found = s3_backends[call.account]["aws"].buckets.get(name)
        if found is None:
            raise ServiceError("NoSuchBucket", "The specified bucket does not exist", 404)
        return found


def _page(names: list[str], bucket: Any, request: dict[str, Any]) -> tuple[list[tuple[str, Any]], bool]:
    """Names with their objects, or with None for a common prefix; and whether there are more."""
    from moto.s3.models import FakeDeleteMarker

    prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
    limit = min(request.get("MaxKeys", 1000), 1000)
    after = request.get("StartAfter", "")
    if token := request.get("ContinuationToken"):
        try:
            after = base64.b64decode(token, validate=True).decode()
        except (binascii.Error, ValueError) as wrong:
            raise ServiceError("InvalidArgument", "The continuation token provided is incorrect") from wrong
    place = max(bisect_left(names, prefix), bisect_right(names, after) if after else 0)
    if delimiter and after.startswith(prefix) and after.endswith(delimiter) and len(after) > len(prefix):
        place = max(place, bisect_left(names, after + LARGEST))  # the page before ended on this common prefix
    page: list[tuple[str, Any]] = []
    while place < len(names) and names[place].startswith(prefix):
        name = names[place]
        found = bucket.keys[name]
        if isinstance(found, FakeDeleteMarker):
            place += 1
            continue
        cut = name.find(delimiter, len(prefix)) if delimiter else -1
        if len(page) == limit:
            return page, limit > 0
        if cut < 0:
            page.append((name, found))
            place += 1
        else:
            common = name[: cut + len(delimiter)]
            page.append((common, None))
            place = bisect_left(names, common + LARGEST, place)
    return page, False


def _entry(name: str, found: Any, url: bool) -> str:
    if found is None:
        return f"<CommonPrefixes>{_element('Prefix', _encoded(name, url))}</CommonPrefixes>"
    return (
        f"<Contents>{_element('Key', _encoded(name, url))}<LastModified>{found.last_modified_ISO8601}</LastModified>"
        f"<ETag>{escape(found.etag)}</ETag><Size>{found.size}</Size>"
        f"<StorageClass>{found.storage_class}</StorageClass></Contents>"
    )


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _encoded(text: str, url: bool) -> str:
    return quote(text, safe="/-_.~") if url else text
