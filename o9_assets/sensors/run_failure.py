"""Tells somebody that a run failed: which, where, why, and what to do next."""

import dagster as dg

from o9_assets.resources.notifier import Notifier

__all__ = ["build", "message"]


def message(job_name: str, run_id: str, failures: list[tuple[str, str]], run_error: str) -> tuple[str, str]:
    """Subject and text for a failed run. `failures` are pairs of step key and error; `run_error` is the run's own."""
    subject = f"{job_name} failed" + (f" at {', '.join(step for step, _ in failures)}" if failures else "")
    lines = [f"Run {run_id} of job {job_name} failed."]
    lines += [f"- {step}: {error}" for step, error in failures] or [f"- {run_error}"]
    lines.append(f"Open it in Dagster's UI: /runs/{run_id}")
    return subject[:100], "\n".join(lines)


def build(*, running: bool) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="run_failure",
        description="Tells the notifier about every failed run.",
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=30,
    )
    def run_failure(context: dg.RunFailureSensorContext, notifier: dg.ResourceParam[Notifier]) -> None:
        failures = []
        for event in context.get_step_failure_events():
            data = event.event_specific_data
            described = getattr(getattr(data, "user_failure_data", None), "description", None)
            error = getattr(data, "error", None)
            cause = (error.cause or error).message.strip() if error else "no error was recorded"
            failures.append((event.step_key or "?", described or cause))
        subject, text = message(
            context.dagster_run.job_name, context.dagster_run.run_id, failures, context.failure_event.message or ""
        )
        notifier.tell(subject, text)

    return run_failure
