"""Files brought into the landing zone by hand: a folder of one's own, or the sample company's."""

from pathlib import Path

from o9_assets.deployment import Deployment, from_environment
from o9_assets.failures import Permanent

__all__ = ["bring_in", "ensure_sample"]


def bring_in(folder: Path, deployment: Deployment | None = None) -> int:
    """Copy every file below `folder` to the same name in the landing zone; returns how many were new or changed.

    A file that is there with the same size and time of change is left alone, so bringing a folder in twice changes
    nothing. Raises Permanent where `folder` is none.
    """
    if not folder.is_dir():
        raise Permanent(f"{folder} is no folder.", remedy="Name the folder that holds the files.")
    zone = (deployment or from_environment()).resources["zone"].open()
    known = {found.name: found for found in zone.list()}
    brought = 0
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
        name = path.relative_to(folder).as_posix()
        there, here = known.get(name), path.stat()
        if there and there.size_bytes == here.st_size and there.modified_at.timestamp() >= here.st_mtime:
            continue
        zone.put(name, path)
        brought += 1
    return brought


def ensure_sample(deployment: Deployment | None = None) -> int:
    """Make the sample company's files where the settings ask for them and its landing zone is empty.

    Returns how many files were made.
    """
    deployment = deployment or from_environment()
    sample = deployment.settings.sample_company
    zone = deployment.resources["zone"]
    if sample is None or next(iter(zone.open().list()), None) is not None:
        return 0
    if zone.kind != "folder":
        raise Permanent(
            "The landing zone is empty.",
            remedy="Bring files in with `python -m o9_assets land FOLDER`, then run again.",
        )
    from o9_assets.sandbox.company import generate

    generate(sample.seed, sample.scale, Path(zone.location))
    return sum(1 for _ in zone.open().list())
