"""The Lambda that fetches from o9, as a process of its own, with an event as EventBridge sends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from o9_assets.sandbox.o9 import Store
from o9_assets.sandbox.together import Sandbox
from o9_assets_tests.company import SETTINGS

pytestmark = pytest.mark.aws

EVENT = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2025-01-26T23:30:00Z",
    "region": "eu-central-1",
    "resources": ["arn:aws:events:eu-central-1:123456789012:rule/weekly"],
    "detail": {},
}
CALL = """
import json, sys
from o9_assets.lambdas.fetch_from_o9 import handler
print(json.dumps(handler(json.load(sys.stdin), None)))
"""


def call(event: object, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CALL],
        input=json.dumps(event),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_scheduled_event_brings_the_cycles_forecasts_and_members_to_s3(tmp_path: Path) -> None:
    path = tmp_path / "planning.yaml"
    path.write_text(SETTINGS.replace("timezone: UTC", "timezone: Europe/Berlin"))
    with Sandbox(tmp_path / "sandbox") as sandbox:
        store = Store(tmp_path / "sandbox" / "o9.db")
        store.add_members("Item", [{"Name": "A, a"}])
        store.add_members("Location", [{"Name": "L1"}])
        store.add_members("Time", [{"Name": "2025-W06", "StartDate": date(2025, 2, 3).isoformat(), "Days": 7}])
        row = {
            "Version.[Version Name]": "CurrentWorkingView",
            "Item.[Item]": "A, a",
            "Location.[Location]": "L1",
            "Time.[Partial Week]": "2025-W06",
        }
        store.write("Forecast", "b", [{**row, "Stat Fcst": Decimal("12.3400")}])
        store.close()
        environment = {**sandbox.environment(), "O9_PLANNING": str(path)}
        done = call(EVENT, environment)
        # Half past eleven in the evening, UTC, is Monday in Berlin already.
        assert json.loads(done.stdout) == {
            "cycle": "2025-01-27",
            "objects": [
                {"name": "o9/forecasts/2025-01-27.jsonl", "rows": 1},
                {"name": "o9/members/2025-01-27.jsonl", "rows": 2},
            ],
        }, done.stderr
        s3 = sandbox.twin.client("s3")
        body = s3.get_object(Bucket="sandbox-landing", Key="landing/o9/forecasts/2025-01-27.jsonl")["Body"].read()
        assert json.loads(body) == {**row, "Plan Cycle": "2025-01-27", "Measure": "Stat Fcst", "Value": "12.3400"}
        wrong = call({"detail": {}}, environment)
        assert wrong.returncode != 0 and "The event names no cycle" in wrong.stderr
        denied = call(EVENT, {**environment, "O9_API_KEY": "another-secret"})
        assert denied.returncode != 0 and "Denied" in denied.stderr
        assert "another-secret" not in denied.stderr + denied.stdout
