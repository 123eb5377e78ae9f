"""The sandbox o9 answers as the profiles say, refuses what is malformed with a reason, and keeps count."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from o9_assets.failures import Permanent
from o9_assets.sandbox.o9 import Faults, Store, build_app, folder_drop
from o9_assets.sandbox.o9.plan import plan

FACTS, KEY = "/api/v2/fact/M/G", {"Authorization": "ApiKey sandbox"}


class Http:
    """Ordinary calls to an app, without a network."""

    def __init__(self, app: ASGIApp) -> None:
        self._transport = httpx.ASGITransport(app)

    def request(self, method: str, url: str, **parts: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://o9") as client:
                return await client.request(method, url, **parts)

        return asyncio.run(call())

    def get(self, url: str, **parts: Any) -> httpx.Response:
        return self.request("GET", url, **parts)

    def post(self, url: str, **parts: Any) -> httpx.Response:
        return self.request("POST", url, **parts)


def row(item: str = "A", week: str = "W1", orders: Any = 1) -> dict[str, Any]:
    return {"Version.[V]": "CWV", "Item.[Item]": item, "Time.[Week]": week, "Orders": orders}


def add(http: Http, *rows: dict[str, Any]) -> Any:
    return http.post(FACTS, json={"BatchId": "b", "Data": list(rows)}, headers=KEY).json()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "o9.db")
    made.add_members("Item", [{"Name": "A"}, {"Name": "B"}])
    made.add_members("Time", [{"Name": f"W{n}", "StartDate": f"2025-01-{6 + 7 * n:02d}", "Days": 7} for n in range(3)])
    return made


@pytest.fixture
def http(store: Store) -> Http:
    return Http(build_app(store))


def test_a_row_is_held_once_however_often_it_is_sent_and_writes_are_counted(http: Http, store: Store) -> None:
    add(http, row(), row("B"))
    add(http, row(orders=5))
    found = http.get(FACTS, headers=KEY).json()["Data"]["G"]
    assert [(r["Item.[Item]"], r["Orders"]) for r in found] == [("A", 5), ("B", 1)]
    assert sorted(store.writes().values()) == [1, 2]
    assert store.received() == [("b", 2), ("b", 1)]


def test_a_row_whose_measures_are_null_is_taken_away(http: Http) -> None:
    add(http, row())
    add(http, row(orders=None))
    assert http.get(FACTS, headers=KEY).json()["Data"]["G"] == []


def test_rows_of_unknown_members_are_refused_with_their_place_and_the_others_taken(http: Http) -> None:
    answer = add(http, row(), row("X"), row(week="W9"), row(orders="many"))
    assert answer["Accepted"] == 1
    assert answer["Rejected"] == [
        {"Row": 1, "Reason": "Item has no member 'X'"},
        {"Row": 2, "Reason": "Time has no member 'W9'"},
        {"Row": 3, "Reason": "Orders is no number"},
    ]


def test_digits_come_back_as_they_came(http: Http) -> None:
    body = json.dumps({"BatchId": "b", "Data": [row(orders=0)]}).replace('"Orders": 0', '"Orders": 12345678901234.5670')
    http.post(FACTS, content=body, headers=KEY)
    assert '"Orders":12345678901234.5670' in http.get(FACTS, headers=KEY).text


def test_pages_follow_one_another_by_cursor_and_filters_hold_on_every_page(http: Http) -> None:
    add(http, *(row(item, week) for item in "AB" for week in ("W0", "W1", "W2")))
    dates = {"AttributeName": "StartDate", "DateRanges": [{"op": ">=", "value": "2025-01-13"}], "DimensionName": "Time"}
    only = {"AttributeName": "Item", "Values": ["B"], "DimensionName": "Item"}
    query, found = {"size": "1", "filters": json.dumps([dates, only])}, []
    while True:
        answer = http.get(FACTS, params=query, headers=KEY).json()
        found += [r["Time.[Week]"] for r in answer["Data"]["G"]]
        if "Cursor" not in answer:
            break
        query["cursor"] = answer["Cursor"]
    assert found == ["W1", "W2"]


def test_a_login_gives_a_token_that_is_good_until_it_expires(http: Http, store: Store) -> None:
    body = {"userEmail": "sandbox", "submittedPassword": "sandbox", "expirySeconds": 60}
    token = http.post("/api/framework/auth/login", json=body).json()["AuthToken"]
    signed = {"Authorization": f"Basic {token}"}
    assert http.get(FACTS, headers=signed).status_code == 200
    store.forget_tokens()
    assert http.get(FACTS, headers=signed).status_code == 401


def test_without_a_good_key_nothing_is_told(http: Http) -> None:
    for headers in ({}, {"Authorization": "ApiKey other"}, {"Authorization": "Basic sandbox"}):
        assert http.get(FACTS, headers=headers).status_code == 401
    wrong = {"userEmail": "sandbox", "submittedPassword": "other", "expirySeconds": 60}
    assert http.post("/api/framework/auth/login", json=wrong).status_code == 401


@pytest.mark.faults
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"BatchId": "b"}', b'{"BatchId": "b", "Data": [1]}', b'{"Data": []}', b"NaN", b"[" * 5000],
)
def test_a_malformed_body_is_refused_with_a_reason(http: Http, content: bytes) -> None:
    answer = http.post(FACTS, content=content, headers=KEY)
    assert answer.status_code == 400
    assert answer.json()["Message"]


@pytest.mark.faults
@pytest.mark.parametrize(
    "query", ["size=0", "size=x", "cursor=%2A", "filters={", "filters=[1]", 'filters=[{"Values":1}]']
)
def test_a_malformed_query_is_refused_with_a_reason(http: Http, query: str) -> None:
    answer = http.get(f"{FACTS}?{query}", headers=KEY)
    assert answer.status_code == 400
    assert answer.json()["Message"]


def test_state_survives_a_restart_and_is_shared_by_processes(tmp_path: Path, store: Store) -> None:
    other = Store(tmp_path / "o9.db")
    store.add_members("Item", [{"Name": "C"}])
    assert "C" in other.known_members()["Item"]
    other.remove_member("Item", "C")
    assert "C" not in store.known_members()["Item"]


@pytest.mark.faults
def test_a_state_file_of_another_version_is_refused(tmp_path: Path) -> None:
    import sqlite3

    con = sqlite3.connect(tmp_path / "old.db")
    con.execute("CREATE TABLE facts (x)")
    con.commit()
    con.close()
    with pytest.raises(Permanent, match="another version"):
        Store(tmp_path / "old.db")


def test_a_plan_is_the_average_of_the_last_13_weeks_times_days(http: Http, store: Store) -> None:
    add(http, row(week="W0", orders=91), row("B", "W0", -5))
    store.add_members("Time", [{"Name": "ahead", "StartDate": "2025-02-03", "Days": 7}])
    rows = plan(store, "G", "Orders", date(2025, 2, 3), 4)
    assert [(r["Item.[Item]"], r["Time.[Week]"], r["quantity"]) for r in rows] == [
        ("A", "ahead", Decimal("7.0000")),
        ("B", "ahead", Decimal("0.0000")),
    ]


def test_a_file_with_the_same_content_is_not_dropped_again(tmp_path: Path) -> None:
    drop = folder_drop(tmp_path)
    drop("o9/plan.csv", b"a")
    before = (tmp_path / "o9/plan.csv").stat()
    drop("o9/plan.csv", b"a")
    after = (tmp_path / "o9/plan.csv").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    drop("o9/plan.csv", b"b")
    assert (tmp_path / "o9/plan.csv").read_bytes() == b"b"


@pytest.mark.faults
def test_faults_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text('{"fail_every": 3}')
    assert Faults.load(path).fail_every == 3
    path.write_text('{"slow_seconds": 0.5, "poison": "x+", "half_files": true}')
    given = Faults.load(path)
    assert (given.slow_seconds, given.poison, given.half_files) == (0.5, "x+", True)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"fail_evry": 3}', "fail_evry is no fault"),
        ('{"fail_every": "3"}', "fail_every cannot be '3'"),
        ('{"fail_every": 1.5}', "fail_every cannot be 1.5"),
        ('{"slow_seconds": -1}', "slow_seconds cannot be -1"),
        ('{"cut_every": true}', "cut_every cannot be True"),
        ('{"half_files": 1}', "half_files cannot be 1"),
        ('{"poison": "("}', r"poison cannot be '\('"),
        ("[3]", "holds no JSON object"),
        ("{", "cannot be read"),
    ],
)
def test_a_fault_that_is_none_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "faults.json"
    path.write_text(text)
    with pytest.raises(Permanent, match=message):
        Faults.load(path)
