"""Folders for spills: none outlives its process by more than a day, and none is taken from a living one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from o9_assets.resources.spills import DAY_SECONDS, spill_folder

HOLDS = """
import sys
from pathlib import Path
from o9_assets.resources.spills import spill_folder

with spill_folder(Path(sys.argv[1])) as made:
    (made / "spilled").write_text("x")
    print(made, flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(home: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process, in the midst of its work, and its folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def age(folder: Path) -> None:
    then = time.time() - DAY_SECONDS - 60
    os.utime(folder, (then, then))


def test_a_folder_is_gone_when_it_is_left_however_that_is(tmp_path: Path) -> None:
    with spill_folder(tmp_path / "spills") as made:
        (made / "deep").mkdir()
        (made / "deep" / "spilled").write_text("x")
    with pytest.raises(KeyError), spill_folder(tmp_path / "spills") as other:
        raise KeyError
    assert not made.exists()
    assert not other.exists()


@pytest.mark.faults
def test_what_a_killed_process_left_is_removed_a_day_later(tmp_path: Path) -> None:
    with another(tmp_path) as (process, left):
        process.send_signal(signal.SIGKILL)
        process.wait()
    with spill_folder(tmp_path):
        assert left.exists()
    age(left)
    with spill_folder(tmp_path):
        assert not left.exists()


@pytest.mark.faults
def test_a_living_process_keeps_its_folder_and_other_files_are_nobody_s_business(tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    for name in ("mine", "o9-spill-link"):
        (tmp_path / name).symlink_to(aside) if "link" in name else (tmp_path / name).mkdir()
    age(tmp_path / "mine")
    age(aside)
    with another(tmp_path) as (_, held):
        age(held)
        with spill_folder(tmp_path):
            assert (held / "spilled").read_text() == "x"
    assert (tmp_path / "mine").exists()
    assert aside.exists()
