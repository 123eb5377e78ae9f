"""The client against answers made by hand: retries, Retry-After, circuit breaker, pages, and what is never shown."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from o9_assets.resources.o9 import (
    Batch,
    ContractBroken,
    Denied,
    O9Client,
    Profile,
    Receipt,
    RejectedRows,
    Throttled,
    Unavailable,
    Unconfirmed,
)
from o9_assets.resources.o9.profile import Limits, Retry
from o9_assets_tests.exchange import Time

SECRET = "top-secret-key"
Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler, time: Time, **given: Any) -> O9Client:
    return O9Client(
        Profile(name="test", **given),
        "https://o9.example.com",
        lambda name: f"{SECRET}-{name}",
        model="M",
        transport=httpx.MockTransport(handler),
        sleep=time.asleep,
        clock=time,
    )


def script(*answers: httpx.Response | Exception) -> tuple[Handler, list[httpx.Request]]:
    """A handler that gives these answers in turn, and the requests that it got."""
    left, seen = list(answers), list[httpx.Request]()

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handler, seen


def page(*names: str, cursor: str | None = None) -> httpx.Response:
    body: dict[str, Any] = {"Data": {"Item": [{"Name": name} for name in names]}}
    return httpx.Response(200, json={**body, **({"Cursor": cursor} if cursor else {})})


def taken(count: int = 1) -> httpx.Response:
    return httpx.Response(200, json={"ReceiptId": "r1", "Accepted": count, "Rejected": []})


BATCH = Batch.of(b'[{"a":1}]', 1)


@pytest.fixture
def time() -> Time:
    return Time()


def test_a_read_follows_the_cursor_to_its_end(time: Time) -> None:
    handler, seen = script(page("a", "b", cursor="x"), page("c"))
    with client(handler, time, page_size=2) as o9:
        assert o9.members("Item") == {"a", "b", "c"}
    assert [r.url.params.get("cursor") for r in seen] == [None, "x"]
    assert {r.url.params["size"] for r in seen} == {"2"}


def test_names_that_are_asked_for_go_into_filters_that_fit_in_a_url(time: Time) -> None:
    names = {f"item-{n:04d}" for n in range(1000)}

    def handler(request: httpx.Request) -> httpx.Response:
        [wanted] = json.loads(request.url.params["filters"])
        return page(*(name for name in wanted["Values"] if name.endswith("7")))

    with client(handler, time) as o9:
        assert o9.members("Item", names) == {name for name in names if name.endswith("7")}


@pytest.mark.faults
def test_what_passes_is_tried_again_with_growing_pauses(time: Time) -> None:
    handler, seen = script(httpx.Response(500), httpx.ReadTimeout("slow"), httpx.ConnectError("away"), page("a"))
    with client(handler, time) as o9:
        assert o9.members("Item") == {"a"}
    assert len(seen) == 4
    for pause, longest in zip(time.slept, (0.5, 1, 2), strict=True):
        assert longest / 2 <= pause <= longest


@pytest.mark.faults
def test_retry_after_is_obeyed_in_full_in_seconds_and_as_a_date(time: Time) -> None:
    handler, _ = script(httpx.Response(429, headers={"Retry-After": "60"}), page("a"))
    with client(handler, time) as o9:
        o9.members("Item")
    assert 60 <= sum(time.slept) <= 66 + 1e-6
    past = httpx.Response(503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
    handler, _ = script(past, page("a"))
    slept = len(time.slept)
    with client(handler, time) as o9:
        o9.members("Item")
    assert sum(time.slept[slept:]) == 0


@pytest.mark.faults
def test_a_throttled_request_is_given_up_when_patience_would_end(time: Time) -> None:
    handler, seen = script(httpx.Response(429, headers={"Retry-After": "3600"}))
    with client(handler, time) as o9, pytest.raises(Throttled, match=r"Try again in 3[6-9]"):
        o9.members("Item")
    assert len(seen) == 1 and time.slept == []


@pytest.mark.faults
def test_an_o9_that_stays_away_is_given_up_and_then_left_alone(time: Time) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500)

    retry = Retry(patience_seconds=20, open_after_failures=5, cool_down_seconds=30)
    with client(handler, time, retry=retry) as o9:
        with pytest.raises(Unavailable):
            o9.members("Item")
        with pytest.raises(Unavailable, match="left alone"):
            for _ in range(9):
                o9.members("Item")


@pytest.mark.faults
def test_after_a_cool_down_one_request_tries_and_closes_the_circuit(time: Time) -> None:
    answers: list[httpx.Response] = [httpx.Response(500)] * 3

    def handler(request: httpx.Request) -> httpx.Response:
        return answers.pop() if answers else page("a")

    retry = Retry(patience_seconds=0, open_after_failures=3, cool_down_seconds=30)
    with client(handler, time, retry=retry) as o9:
        for _ in range(4):
            with pytest.raises(Unavailable):
                o9.members("Item")
        assert answers == []
        time.now += 31
        assert o9.members("Item") == {"a"}
        assert o9.members("Item") == {"a"}


@pytest.mark.faults
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_at_once(time: Time, status: int) -> None:
    handler, seen = script(httpx.Response(status))
    with client(handler, time) as o9, pytest.raises(Denied, match="O9_API_KEY"):
        o9.members("Item")
    assert len(seen) == 1


@pytest.mark.faults
@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([page("a", cursor="x"), page("b", cursor="x")], "came twice"),
        ([page("a", cursor="x"), page("a", cursor="y")], "same page"),
        ([page("a", cursor="x"), page(cursor="y")], "empty page"),
        ([httpx.Response(200, text="<html>Sign in</html>")], "no JSON"),
        ([httpx.Response(200, text="Sorry")], "no JSON"),
        ([httpx.Response(200, json=[1])], "not an object"),
        ([httpx.Response(200, json={"Rows": []})], "lacks Data"),
        ([httpx.Response(200, json={"Data": {"a": [], "b": []}})], "no single resource"),
        ([httpx.Response(200, json={"Data": {"a": [{"name": "x"}]}})], "lacks Name"),
        ([httpx.Response(404, text="not here")], "404"),
    ],
)
def test_an_answer_that_is_not_as_the_profile_says_ends_the_read(
    time: Time, answers: list[httpx.Response | Exception], message: str
) -> None:
    handler, seen = script(*answers)
    with client(handler, time) as o9, pytest.raises(ContractBroken, match=message):
        o9.members("Item")
    assert len(seen) == len(answers)


@pytest.mark.faults
def test_a_cursor_that_never_ends_is_stopped(time: Time) -> None:
    def endless() -> Iterator[httpx.Response]:
        for n in range(10_000):
            yield page(f"m{n}", cursor=f"c{n}")

    answers = endless()
    endless_o9 = client(lambda request: next(answers), time, limits=Limits(pages=50))
    with endless_o9 as o9, pytest.raises(ContractBroken, match="no end after 50 pages"):
        o9.members("Item")


@pytest.mark.faults
def test_a_failed_page_ends_the_read_and_gives_no_partial_answer(time: Time) -> None:
    handler, _ = script(page("a", cursor="x"), httpx.Response(400, text="bad"))
    with client(handler, time) as o9, pytest.raises(ContractBroken):
        o9.members("Item")


@pytest.mark.faults
def test_a_body_cut_in_half_is_asked_for_again(time: Time) -> None:
    whole = page("a", "b").content
    handler, seen = script(httpx.Response(200, content=whole[: len(whole) // 2]), page("a", "b"))
    with client(handler, time) as o9:
        assert o9.members("Item") == {"a", "b"}
    assert len(seen) == 2


@pytest.mark.faults
def test_a_json_body_that_was_encoded_twice_is_understood(time: Time) -> None:
    handler, _ = script(httpx.Response(200, json=page("a").text))
    with client(handler, time) as o9:
        assert o9.members("Item") == {"a"}


def test_numbers_keep_every_digit(time: Time) -> None:
    text = '{"Data": {"G": [{"Orders": 12345678901234.5678, "Returns": 100}]}}'
    handler, _ = script(httpx.Response(200, text=text))
    with client(handler, time) as o9:
        assert list(o9.facts("G")) == [[{"Orders": "12345678901234.5678", "Returns": "100"}]]


def test_facts_are_sent_as_they_stand_under_their_content_hash(time: Time) -> None:
    handler, seen = script(taken())
    with client(handler, time) as o9:
        assert o9.send_facts("G", [BATCH]) == [Receipt("r1", 1, (), 1)]
    assert seen[0].content == b'{"BatchId":"%s","Data":[{"a":1}]}' % BATCH.batch_id.encode()
    assert seen[0].url.path == "/api/v2/fact/M/G"


@pytest.mark.faults
@pytest.mark.parametrize("answer", [httpx.Response(502), httpx.ReadTimeout("slow"), httpx.Response(200, text='{"Rec')])
def test_facts_whose_answer_was_lost_are_not_sent_again_blindly(time: Time, answer: httpx.Response | Exception) -> None:
    handler, seen = script(answer)
    with client(handler, time) as o9:
        [outcome] = o9.send_facts("G", [BATCH])
    assert isinstance(outcome, Unconfirmed)
    assert len(seen) == 1


@pytest.mark.faults
@pytest.mark.parametrize("answer", [httpx.Response(429), httpx.ConnectError("away")])
def test_facts_that_certainly_were_not_taken_are_sent_again(time: Time, answer: httpx.Response | Exception) -> None:
    handler, _ = script(answer, taken())
    with client(handler, time) as o9:
        assert o9.send_facts("G", [BATCH]) == [Receipt("r1", 1, (), 2)]


@pytest.mark.faults
def test_a_request_that_o9_refuses_as_a_whole_says_why_and_the_others_go_on(time: Time) -> None:
    handler, _ = script(httpx.Response(422, json={"Message": "row too long"}), taken())
    with client(handler, time, concurrent_requests=1) as o9:
        refused, receipt = o9.send_facts("G", [BATCH, BATCH])
    assert isinstance(refused, RejectedRows) and refused.reason == "row too long"
    assert isinstance(receipt, Receipt)


@pytest.mark.faults
def test_after_a_revoked_key_nothing_more_is_sent_and_receipts_are_kept(time: Time) -> None:
    handler, seen = script(taken(), httpx.Response(401))
    with client(handler, time, concurrent_requests=1) as o9:
        first, second, third = o9.send_facts("G", [BATCH] * 3)
    assert isinstance(first, Receipt) and isinstance(second, Denied) and third is second
    assert len(seen) == 2


@pytest.mark.faults
@pytest.mark.parametrize(
    "body",
    [
        {"ReceiptId": "r", "Accepted": 0, "Rejected": []},
        {"ReceiptId": "r", "Accepted": 0, "Rejected": [{"Row": 7, "Reason": "x"}]},
        {"Accepted": 1},
    ],
)
def test_a_receipt_that_does_not_speak_of_every_row_is_none(time: Time, body: dict[str, Any]) -> None:
    handler, _ = script(httpx.Response(200, json=body))
    with client(handler, time) as o9:
        [outcome] = o9.send_facts("G", [BATCH])
    assert isinstance(outcome, ContractBroken)


def test_no_more_requests_are_under_way_than_the_profile_says(time: Time) -> None:
    import asyncio

    now, most = 0, 0

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return taken()

    o9 = client(lambda r: taken(), time, concurrent_requests=3)
    o9._transport = httpx.MockTransport(handler)
    with o9:
        assert len(o9.send_facts("G", [BATCH] * 20)) == 20
    assert most == 3


def test_a_query_gives_rows_under_their_full_names(time: Time) -> None:
    body = {
        "Meta": [{"DimensionName": "Item", "AttributeName": "Item"}, {"Name": "Stat Fcst", "MeasureColumnName": "x"}],
        "Data": [{"C0": {"Name": "A"}, "C1": {"Value": 1.5}}, {"C0": {"Name": "B"}}],
    }
    handler, seen = script(httpx.Response(200, json=body))
    with client(handler, time) as o9:
        rows = o9.query("select ([Item].[Item]) on row, ({Measure.[Stat Fcst]}) on column;")
    assert rows == [{"Item.[Item]": "A", "Stat Fcst": "1.5"}, {"Item.[Item]": "B", "Stat Fcst": None}]
    assert seen[0].url.path == "/api/ibplquery/tenant/ExecuteQueryJson"


def test_a_login_gives_a_token_that_is_kept_and_renewed_in_time(time: Time) -> None:
    logins = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal logins
        if request.url.path.endswith("/login"):
            logins += 1
            body = json.loads(request.content)
            assert body["submittedPassword"] == f"{SECRET}-O9_PASSWORD"
            return httpx.Response(200, json={"AuthToken": f"t{logins}", "TenantId": "x", "TenantName": "X"})
        assert request.headers["Authorization"] == f"Basic t{logins}"
        return page("a")

    with client(handler, time, auth="login") as o9:
        o9.members("Item")
        o9.members("Item")
        assert logins == 1
        time.now += 3600
        o9.members("Item")
        assert logins == 2


@pytest.mark.faults
def test_an_expired_token_is_renewed_once_and_a_second_refusal_is_denied(time: Time) -> None:
    token = httpx.Response(200, json={"AuthToken": "t"})
    handler, seen = script(token, httpx.Response(401), token, page("a"))
    with client(handler, time, auth="login") as o9:
        assert o9.members("Item") == {"a"}
    assert len(seen) == 4
    handler, _ = script(token, httpx.Response(401), token, httpx.Response(401))
    with client(handler, time, auth="login") as o9, pytest.raises(Denied, match="O9_USER and O9_PASSWORD"):
        o9.members("Item")


@pytest.mark.faults
def test_no_secret_is_in_a_repr_an_error_or_the_log(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = []
    for auth in ("api_key", "login"):
        for answer in (httpx.Response(401), httpx.Response(404), httpx.Response(200, text="<p>")):
            o9 = client(script(answer, answer, answer)[0], time, auth=auth)
            with o9, pytest.raises((Denied, ContractBroken, Unavailable)) as error:
                o9.members("Item")
            told += [repr(o9), str(error.value), repr(error.value.__cause__)]
    assert SECRET not in "\n".join([*told, caplog.text])


@pytest.mark.faults
@pytest.mark.parametrize("end", ["\n", " ", "ü", "\x00"])
def test_a_key_that_no_header_can_carry_is_told_by_its_name_at_once(
    time: Time, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    handler, seen = script(page("a"))
    o9 = client(handler, time)
    caplog.set_level(logging.DEBUG)
    o9.secret = lambda name: SECRET + end
    with o9, pytest.raises(Denied, match="O9_API_KEY is empty, or holds what no header can") as error:
        o9.members("Item")
    assert not seen and not time.slept
    assert SECRET not in f"{error.value} {error.value.__cause__!r} {error.value.__context__!r} {caplog.text}"


@pytest.mark.faults
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"ReceiptId": "r", "Accepted": "many", "Rejected": []}, "Accepted is no number but 'many'"),
        ({"ReceiptId": "r", "Accepted": 1, "Rejected": "none"}, "Rejected is no list of objects"),
        ({"ReceiptId": "r", "Accepted": 0, "Rejected": [{"Row": 0}]}, "lacks Reason"),
        ({"ReceiptId": "r", "Accepted": 0, "Rejected": [{"Row": "first", "Reason": "r"}]}, "Row is no number"),
        ({"ReceiptId": None, "Accepted": 1}, "ReceiptId is no text"),
    ],
)
def test_a_receipt_of_another_shape_is_a_broken_contract_and_the_other_receipts_are_kept(
    time: Time, body: dict[str, Any], message: str
) -> None:
    good = httpx.Response(200, json={"ReceiptId": "good", "Accepted": 1, "Rejected": None})
    handler, _ = script(good, httpx.Response(200, json=body))
    with client(handler, time, concurrent_requests=1) as o9:
        first, second = o9.send_facts("G", [Batch.of(b"[{}]", 1), Batch.of(b"[{}]", 1)])
    assert isinstance(first, Receipt) and first.receipt == "good"
    assert isinstance(second, ContractBroken) and message in str(second)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"Meta": [{}], "Data": []}, "lacks Name"),
        ({"Meta": [{"Name": "m"}], "Data": [{"C0": 5}]}, "C0 is no object"),
        ({"Meta": [{"Name": "m"}], "Data": [{"C0": {"Value": [1]}}]}, "m is neither text nor number"),
        ({"Meta": [{"Name": "m"}], "Data": None}, "Data is no list of objects"),
    ],
)
def test_a_querys_answer_of_another_shape_is_a_broken_contract(time: Time, body: dict[str, Any], message: str) -> None:
    with client(script(httpx.Response(200, json=body))[0], time) as o9, pytest.raises(ContractBroken, match=message):
        o9.query("select")


@pytest.mark.faults
@pytest.mark.parametrize("name", [None, [], {}, ""])
def test_a_member_without_a_name_is_a_broken_contract(time: Time, name: object) -> None:
    answer = httpx.Response(200, json={"Data": {"Item": [{"Name": name}]}})
    with client(script(answer)[0], time) as o9, pytest.raises(ContractBroken, match="Name is no text"):
        o9.members("Item")


def test_requests_keep_the_pace_that_the_tenant_allows(time: Time) -> None:
    handler, seen = script(*[page(f"a{n}", cursor=str(n)) for n in range(4)], page("b"))
    with client(handler, time, limits=Limits(requests_per_second=2)) as o9:
        began = time()
        assert len(o9.members("item")) == 5
    assert len(seen) == 5
    assert time() - began == pytest.approx(2.0)
