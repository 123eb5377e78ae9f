"""A private PostgreSQL for tests: one cluster a session on 127.0.0.1, a database for each test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

__all__ = ["Database", "cluster", "database"]

PLACES = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/local/bin")]


class Database:
    """A database of the cluster: what DMS's endpoint needs, and a connection to change it."""

    def __init__(self, port: int, name: str) -> None:
        self.endpoint = {
            "EngineName": "postgres",
            "ServerName": "127.0.0.1",
            "Port": port,
            "Username": "postgres",
            "Password": "sandbox",
            "DatabaseName": name,
        }
        self.con = psycopg.connect(
            host="127.0.0.1", port=port, user="postgres", password="sandbox", dbname=name, autocommit=True
        )

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.con.execute(statement)

    def rows(self, query: str) -> list[Any]:
        return self.con.execute(query).fetchall()


@pytest.fixture(scope="session")
def cluster() -> Iterator[int]:
    """The port of a cluster with logical replication; skipped where PostgreSQL is not installed."""
    place = next((place for place in PLACES if (place / "initdb").exists()), None)
    if place is None:
        pytest.skip("PostgreSQL is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    as_user: dict[str, Any] = {}
    if os.getuid() == 0:  # the server refuses to run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    password = folder / "password"
    password.write_text("sandbox")
    password.chmod(0o644)
    data = folder / "data"

    def call(*command: str) -> None:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            **as_user,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    call(
        str(place / "initdb"),
        "-D",
        str(data),
        "-U",
        "postgres",
        "--pwfile",
        str(password),
        "-E",
        "UTF8",
        "-A",
        "scram-sha-256",
        "-N",
    )
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='{folder}' -c wal_level=logical "
        "-c fsync=off -c max_replication_slots=40 -c max_wal_senders=40"
    )
    try:
        call(str(place / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
        yield port
        call(str(place / "pg_ctl"), "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(cluster: int) -> Iterator[Database]:
    """An empty database of its own."""
    name = f"erp_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(
        host="127.0.0.1", port=cluster, user="postgres", password="sandbox", dbname="postgres", autocommit=True
    ) as con:
        con.execute(f"CREATE DATABASE {name}")
    made = Database(cluster, name)
    yield made
    made.con.close()
