"""Dagster's UI on the sample company after one run, in a real browser (Debian's Chromium through playwright)."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]
# What Chromium would look up by itself is no part of a page.
QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait until `url` answers."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.25)
    raise AssertionError(f"{url} did not answer within {seconds} s")


@contextmanager
def server(command: list[str | Path], home: Path, log: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of Dagster's in a session of its own, which ends with all of its children."""
    with (home / log).open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=home,
            env={**os.environ, "DAGSTER_HOME": str(home), "O9_PLANNING": str(home / "planning.yaml")},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                pass  # a parent that ignores SIGTERM hands that on
            finally:
                with_children(process.pid, signal.SIGKILL)
                process.wait(10)


def with_children(session: int, what: signal.Signals) -> None:
    try:
        os.killpg(session, what)
    except ProcessLookupError:
        return


@pytest.fixture(scope="session")
def company_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the whole cycle ran once, on a tenth of the sample company: workspace, settings, all state."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    home = tmp_path_factory.mktemp("company")
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, home / name)
    settings = (ROOT / "planning.yaml").read_text(encoding="utf-8")
    (home / "planning.yaml").write_text(settings.replace("scale: 1}", "scale: 0.1}"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "o9_assets", "run"],
        cwd=home,
        env={**os.environ, "DAGSTER_HOME": str(home), "O9_PLANNING": str(home / "planning.yaml")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return home


@pytest.fixture(scope="session")
def webserver(company_home: Path) -> Iterator[str]:
    """Address of Dagster's webserver, with the daemon beside it that starts runs and judges freshness.

    Started directly, the two stop faster than `dagster dev`.
    """
    port = free_port()
    web: list[str | Path] = [BIN / "dagster-webserver", "-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml"]
    daemon: list[str | Path] = [BIN / "dagster-daemon", "run", "-w", "workspace.yaml"]
    with server(web, company_home, "webserver.log") as process, server(daemon, company_home, "daemon.log"):
        wait_for(f"http://127.0.0.1:{port}/server_info", process, 90)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium for one file of tests: while playwright runs, no other test could start an event loop of its own."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def asked_for() -> set[str]:
    """Hosts that pages asked for anything."""
    return set()


@pytest.fixture(scope="module")
def page(browser: "Browser", webserver: str, asked_for: set[str]) -> "Page":
    """One page for all tests, so that the UI is loaded once; tall, so that whatever a page holds is drawn."""
    opened = browser.new_page(base_url=webserver, viewport={"width": 1600, "height": 2400})
    opened.set_default_timeout(30_000)
    opened.on("request", lambda request: asked_for.add(request.url.split("/")[2].split(":")[0]))
    return opened
