"""Rows for one request or file: the same content has the same id, in memory or on disk."""

import gc
import hashlib
import warnings

from o9_assets.resources.o9 import Batch


def test_a_batch_on_disk_is_the_batch_in_memory() -> None:
    held = Batch.of(b"[1,2,3]", 3)
    spooled = Batch.spooled("[", iter(["1", "2", "3"]), ",", "]")
    assert spooled.rows() == held.rows() == b"[1,2,3]"
    assert (spooled.batch_id, spooled.count, spooled.size_bytes) == (held.batch_id, 3, 7)
    assert spooled.batch_id == hashlib.sha256(b"[1,2,3]").hexdigest()


def test_the_body_can_be_read_again_from_its_beginning() -> None:
    for batch in (Batch.of("ä\n".encode(), 1), Batch.spooled("", ["ä\n"], "", "")):
        assert batch.open().read(2) == "ä".encode()
        assert batch.open().read() == "ä\n".encode()


def test_the_file_goes_with_the_batch() -> None:
    batch = Batch.spooled("", ["a"], "", "")
    body = batch.open()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del batch
        gc.collect()
    assert body.closed


def test_a_batch_without_rows_is_its_frame() -> None:
    assert (Batch.spooled("[", [], ",", "]").rows(), Batch.spooled("[", [], ",", "]").count) == (b"[]", 0)
