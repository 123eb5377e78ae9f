"""Facts as files in the tenant's data lake: each batch is uploaded, then one pipeline run loads them all.

A file is named after its content: one that is there already is the same one, and is not uploaded again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from o9_assets.failures import Failed
from o9_assets.resources.o9.answers import text_of
from o9_assets.resources.o9.errors import O9Error, RejectedRows, Unavailable

if TYPE_CHECKING:
    from o9_assets.resources.o9.client import Batch, O9Client, Outcome

__all__ = ["file_name", "load"]

LOOK_EVERY_SECONDS = 2.0


def file_name(client: O9Client, measure_group: str, batch: Batch) -> str:
    """Name of a batch's file below the tenant's folder."""
    files = client.profile.files
    return f"{files.folder}/{files.name.format(measure_group=measure_group, chunk=batch.batch_id[:32])}".lstrip("/")


async def load(client: O9Client, measure_group: str, batches: Sequence[Batch]) -> list[Outcome]:
    """Upload the batches and have them loaded; one outcome for each, in their order."""
    from o9_assets.resources.o9.client import Dropped

    names = [file_name(client, measure_group, batch) for batch in batches]
    gate = asyncio.Semaphore(client.profile.concurrent_requests)

    async def upload(name: str, batch: Batch) -> int | O9Error:
        async with gate:
            path = client.path(client.profile.paths.upload, file=name)
            try:
                answer = await client.caller.call(
                    "POST", path, files={"file": (name.rpartition("/")[2], batch.open(), "text/csv")}, accepts=(409,)
                )
            except O9Error as error:
                return error
            return answer.attempts

    uploaded = await asyncio.gather(*(upload(n, b) for n, b in zip(names, batches, strict=True)))
    there = [name for name, done in zip(names, uploaded, strict=True) if isinstance(done, int)]
    if not there:
        return [done for done in uploaded if isinstance(done, O9Error)]
    try:
        run = await _run(client, {"MeasureGroup": measure_group, "Files": there})
    except O9Error as error:
        return [done if isinstance(done, O9Error) else error for done in uploaded]
    return [done if isinstance(done, O9Error) else Dropped(run, done) for done in uploaded]


async def _run(client: O9Client, parameters: dict[str, object]) -> str:
    """Start the pipeline that loads files, and wait for its end. Raises RejectedRows where it failed."""
    profile = client.profile
    body = {"TenantId": profile.tenant, "PipelineId": profile.files.load_pipeline, "Parameters": parameters}
    answer = await client.caller.call("POST", client.path(profile.paths.pipeline), body=body)
    run = text_of(answer.body, "RunId")
    status = profile.paths.pipeline_status
    if status is None:
        raise AssertionError("the profile was checked for paths.pipeline_status")
    until = client.clock() + profile.files.load_patience_seconds
    while True:
        found = await client.caller.call("GET", client.path(status, run=run))
        match text_of(found.body, "Status"):
            case "Succeeded":
                return run
            case "Failed":
                reason = str(found.body.get("Message", f"{profile.files.load_pipeline} failed"))
                raise RejectedRows(f"o9's run {run} failed: {reason}", reason)
        if client.clock() >= until:
            late: Failed = Unavailable(f"o9's run {run} did not end in time.", remedy="It is looked at again.")
            raise late
        await client.sleep(LOOK_EVERY_SECONDS)
