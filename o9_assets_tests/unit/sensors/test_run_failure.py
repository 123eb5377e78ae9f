"""The failure sensor says which run failed, where, why, and where to look."""

import dagster as dg

from o9_assets.failures import Permanent, for_dagster
from o9_assets.sensors import run_failure


class Told:
    """A notifier that keeps what it was told."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []

    def tell(self, subject: str, text: str) -> None:
        self.messages.append((subject, text))


@dg.op
def breaks() -> None:
    with for_dagster(0):
        raise Permanent("The file has no header.", remedy="Send it again.")


@dg.job
def refresh() -> None:
    breaks()


def test_a_failed_run_is_told_with_its_step_its_reason_and_its_address() -> None:
    told = Told()
    with dg.DagsterInstance.ephemeral() as instance:
        result = refresh.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="run_failure",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
            resources={"notifier": told},
        ).for_run_failure()
        run_failure.build(running=True)(context)
    [(subject, text)] = told.messages
    assert subject == "refresh failed at breaks"
    assert "- breaks: The file has no header. Send it again." in text
    assert f"/runs/{result.run_id}" in text


def test_a_run_that_failed_before_any_step_tells_the_run_s_own_error() -> None:
    assert run_failure.message("cycle", "abc", [], "the process was killed") == (
        "cycle failed",
        "Run abc of job cycle failed.\n- the process was killed\nOpen it in Dagster's UI: /runs/abc",
    )
