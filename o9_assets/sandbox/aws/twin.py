"""The offline twin of AWS: one endpoint on this machine behind which fakes move data and moto keeps the rest."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from o9_assets.sandbox.aws import codec, iam
from o9_assets.sandbox.aws.fake import Fake, ServiceError
from o9_assets.sandbox.aws.faults import Faults
from o9_assets.sandbox.aws.gateway import INSIDE, ROOT, Gateway
from o9_assets.sandbox.aws.iam_actions import context_of, needed
from o9_assets.sandbox.aws.journal import Journal

if TYPE_CHECKING:
    from botocore.model import OperationModel

    from o9_assets.sandbox.aws.routing import Request, Signed

__all__ = ["Twin"]

SECRET = "sandbox"  # noqa: S105 - it guards nothing
log = logging.getLogger(__name__)


class Twin:
    """A twin while its context is open.

        with Twin(tmp_path) as twin:
            twin.client("s3").create_bucket(Bucket="landing")

    `state` is a folder of its own: what the fakes remember stays there; what moto holds is gone with the process, and
    starts empty with each twin, so there is one at a time in a process.
    """

    account = "123456789012"
    region = "us-east-1"

    def __init__(
        self, state: Path, *, port: int = 0, iam: bool = False, fakes: Mapping[str, type[Fake]] | None = None
    ) -> None:
        self.state = state.resolve()
        self.faults, self.journal = Faults(), Journal()
        self.iam = iam
        self._port = port
        self._given = fakes
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.closing = threading.Event()
        """Set when the twin closes: work in the background looks at it and ends."""

    def __enter__(self) -> Twin:
        import boto3
        from moto.core.base_backend import BackendDict
        from moto.core.model_instances import reset_model_data

        from o9_assets.sandbox.aws.server import Server
        from o9_assets.sandbox.aws.services import default

        self._server = Server(self._port)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._session: Any = boto3.session.Session(aws_access_key_id=INSIDE, aws_secret_access_key=SECRET)
        self._clients: dict[tuple[str, str], Any] = {}
        BackendDict.reset()
        reset_model_data()
        self.state.mkdir(parents=True, exist_ok=True)
        self.fakes = {name: fake(self) for name, fake in (default() if self._given is None else self._given).items()}
        self._gateway = Gateway(self, self.fakes)
        self._server.start(self._gateway)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        for fake in self.fakes.values():
            fake.close()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(timeout=30)
        self._server.stop()
        for fake in self.fakes.values():
            fake.state.close()

    def client(self, service: str, **kw: Any) -> Any:
        """A boto3 client of the twin itself: no faults, no journal, no policies. For fakes, and for tests to look."""
        region = kw.pop("region_name", self.region)
        with self._lock:
            # Making a client is dear, and boto3's clients are safe for threads.
            if not kw and (service, region) in self._clients:
                return self._clients[service, region]
            made = self._session.client(service, region_name=region, endpoint_url=self.url, **kw)
            if not kw:
                self._clients[service, region] = made
        return made

    def environment(self, role: str | None = None) -> dict[str, str]:
        """The variables that a process needs to find the twin instead of AWS.

        With a role's ARN, and where policies are enforced, the process has that role's credentials. Raises ServiceError
        where the role cannot be assumed.
        """
        return {
            "AWS_ENDPOINT_URL": self.url,
            **self._credentials(role),
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_ALLOW_HTTP": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _credentials(self, role: str | None) -> dict[str, str]:
        if role is None or not self.iam:
            return {"AWS_ACCESS_KEY_ID": ROOT, "AWS_SECRET_ACCESS_KEY": SECRET}
        clients, name = self.client("iam"), role.rpartition("/")[2]
        try:
            clients.get_role(RoleName=name)
        except clients.exceptions.NoSuchEntityException as error:
            raise ServiceError("InvalidParameterValueException", f"The role {role} cannot be assumed.") from error
        found = self.client("sts").assume_role(RoleArn=role, RoleSessionName="sandbox")["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
            "AWS_SESSION_TOKEN": found["SessionToken"],
        }

    def background(self, name: str, function: Callable[[], None]) -> threading.Thread:
        """Go on after an answer, on a thread that is joined when the twin closes. What it raises is logged."""

        def run() -> None:
            try:
                function()
            except Exception:
                if not self.closing.is_set():
                    log.exception("%s broke", name)
            finally:
                with self._lock:
                    self._threads = [t for t in self._threads if t is not thread]

        thread = threading.Thread(target=run, name=f"twin-{name}", daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()
        return thread

    # For fakes that do what AWS does between its services

    def fetch(self, bucket: str, key: str, version: str | None = None) -> bytes:
        """An object's content. Raises ServiceError where it is not there."""
        from botocore.exceptions import ClientError

        pinned = {"VersionId": version} if version else {}
        try:
            return bytes(self.client("s3").get_object(Bucket=bucket, Key=key, **pinned)["Body"].read())
        except ClientError as error:
            told = error.response["Error"]
            message = f"s3://{bucket}/{key}: {told['Code']}, {told['Message']}"
            raise ServiceError("InvalidParameterValueException", message) from error

    def send(self, arn: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
        """Send a message to a queue or topic. Raises ServiceError for any other ARN."""
        service, region, _, name = arn.split(":", 5)[2:6]
        told = {k: {"DataType": "String", "StringValue": v} for k, v in (attributes or {}).items()}
        match service:
            case "sqs":
                sqs = self.client("sqs", region_name=region)
                url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
                sqs.send_message(QueueUrl=url, MessageBody=text, MessageAttributes=told)
            case "sns":
                sns = self.client("sns", region_name=region)
                sns.publish(TopicArn=arn, Message=text, MessageAttributes=told)
            case _:
                raise ServiceError("NotEmulated", f"NotEmulated: sending to {arn} is not emulated by the sandbox")

    def log(self, group: str, stream: str, text: str) -> None:
        """Keep what a process printed in CloudWatch Logs."""
        logs, now = self.client("logs"), time.time_ns() // 1_000_000
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=group)
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        events = [{"timestamp": now, "message": line} for line in text.splitlines() if line]
        for first in range(0, len(events), 1000):
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events[first : first + 1000])

    def locked(self, service: str) -> AbstractContextManager[Any]:
        """What a fake holds while it works on moto's own state of a service."""
        return self._gateway.locked(service)

    def reset(self) -> None:
        """Faults and journal as at the start; data stays."""
        self.faults.clear()
        self.journal.clear()

    # What the gateway asks

    def principal(self, sign: Signed | None) -> str:
        """The ARN of who signed; the access key where nobody has it."""
        if sign is None:
            return "anonymous"
        if sign.access_key in (ROOT, INSIDE):
            return f"arn:aws:iam::{self.account}:root"
        found = iam.identify(self.account, sign.access_key, sign.token)
        return found.arn if found else sign.access_key

    def permit(self, sign: Signed | None, operation: OperationModel, request: Request, labels: dict[str, str]) -> None:
        """Raises ServiceError AccessDenied where policies are enforced and none allows it."""
        if not self.iam or (sign and sign.access_key in (ROOT, INSIDE)):
            return
        found = iam.identify(self.account, sign.access_key, sign.token) if sign else None
        if sign is None or found is None:
            code = (
                "InvalidAccessKeyId" if operation.service_model.service_name == "s3" else "UnrecognizedClientException"
            )
            raise ServiceError(code, "The access key of the request, or its token, is not known.", 403)
        if operation.name == "GetCallerIdentity":
            return  # always allowed
        context = context_of(operation, request, found.arn, sign.region)
        for action, resource in needed(operation, request, labels, self.account, sign.region):
            try:
                iam.decide(found, action, resource, context)
            except ServiceError as denied:
                json = codec.protocol_of(operation.service_model, request) in (
                    "json",
                    "rest-json",
                    "smithy-rpc-v2-cbor",
                )
                if json and denied.code == "AccessDenied":
                    status = 403 if operation.service_model.protocol == "rest-json" else 400
                    raise ServiceError("AccessDeniedException", denied.message, status) from denied
                raise
