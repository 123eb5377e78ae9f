"""Code that a user hands to AWS: unpacked into a folder, never outside it."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import zipfile
from pathlib import Path

from o9_assets.sandbox.aws.fake import ServiceError

__all__ = ["LOCAL", "sha256", "unpack"]

LOCAL = "sandbox-local"
"""As S3Bucket: the code lies on this machine, in the folder that S3Key names, and is run from there."""

MOST_BYTES = 250 << 20  # what Lambda takes unpacked


def sha256(content: bytes) -> str:
    """The hash as Lambda tells it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def unpack(content: bytes, folder: Path) -> None:
    """Unpack a zip file into a new folder. Raises ServiceError where it is none, leads out, or is too large."""
    bad = "InvalidParameterValueException"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise ServiceError(bad, f"Unzipped size must be smaller than {MOST_BYTES} bytes")
            root = folder.resolve()
            for entry in entries:
                if not (root / entry.filename).resolve().is_relative_to(root):
                    raise ServiceError(bad, f"{entry.filename!r} leads out of the package")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            archive.extractall(folder)
    except zipfile.BadZipFile as error:
        raise ServiceError(
            bad, "Could not unzip uploaded file. Please check your file, then try to upload again."
        ) from error
