"""Files brought into the landing zone by hand: a folder of one's own, or the sample company's."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import urlparse

from o9_assets.deployment import Deployment, from_environment
from o9_assets.failures import Permanent
from o9_assets.loopback import is_loopback
from o9_assets.resources import aws
from o9_assets.resources.spills import spill_folder

__all__ = ["bring_in", "by_day", "ensure_sample"]


def bring_in(folder: Path, deployment: Deployment | None = None, *, only: set[str] | None = None) -> int:
    """Copy the files below `folder` (or `only` the named ones) to the same names in the landing zone; returns how many
    were new or changed.

    A file that is there with the same size and not older is left alone, so bringing a folder in twice changes nothing.
    Raises Permanent where `folder` is none.
    """
    zone = (deployment or from_environment()).resources["zone"].open()
    known = {found.name: found for found in zone.list()}
    brought = 0
    for name, path in _files(folder):
        if only is not None and name not in only:
            continue
        there, here = known.get(name), path.stat()
        if there and there.size_bytes == here.st_size and there.modified_at.timestamp() >= here.st_mtime:
            continue
        zone.put(name, path)
        brought += 1
    return brought


def by_day(folder: Path, deployment: Deployment) -> Iterator[tuple[date, int]]:
    """Bring files in one delivery day after the other; yields the day and the number of files once they are in.

    Files that name no day come with the first.
    """
    days: dict[date, set[str]] = {}
    for name, _ in _files(folder):
        matches = [m for feed in deployment.settings.feeds.values() if (m := feed.match(name)) is not None]
        covered = [m.covers_date for m in matches if m.covers_date is not None]
        days.setdefault(min(covered, default=date.min), set()).add(name)
    for day in sorted(days):
        yield day, bring_in(folder, deployment, only=days[day])


def _files(folder: Path) -> list[tuple[str, Path]]:
    if not folder.is_dir():
        raise Permanent(f"{folder} is no folder.", remedy="Name the folder that holds the files.")
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    named = ((path.relative_to(folder).as_posix(), path) for path in found)
    # What the landing zone takes for unfinished or hidden would never be read, and may be this platform's own state.
    return sorted((name, path) for name, path in named if not any(part.startswith(".") for part in name.split("/")))


def ensure_sample(deployment: Deployment | None = None) -> int:
    """Make the sample company's files where the settings ask for them and its landing zone is empty.

    Returns how many files were made. Raises Permanent where the landing zone is empty and lies in AWS's own S3.
    """
    deployment = deployment or from_environment()
    sample = deployment.settings.sample_company
    zone = deployment.resources["zone"]
    if sample is None or next(iter(zone.open().list()), None) is not None:
        return 0
    if zone.kind == "s3" and not _on_this_machine(aws.endpoint("s3")):
        raise Permanent(
            "The landing zone is empty.",
            remedy="Bring files in with `python -m o9_assets land FOLDER`, then run again.",
        )
    from o9_assets.sandbox.company import generate

    with spill_folder() as made:
        generate(sample.seed, sample.scale, made)
        return bring_in(made / "landing", deployment)


def _on_this_machine(endpoint: str | None) -> bool:
    """Whether S3 is the sandbox: made-up files belong into no bucket of AWS."""
    return endpoint is not None and is_loopback(urlparse(endpoint).hostname)
