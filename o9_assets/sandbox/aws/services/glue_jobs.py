"""Glue jobs: the script is fetched from S3 and runs with its arguments, as a Python process of its own.

A Spark job (`glueetl`) runs the same way, without a cluster and without the awsglue library: a script that imports it
fails as a script does whose library is missing. Data lands because the script writes it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from o9_assets.sandbox.aws.fake import Call, Fake, ServiceError

if TYPE_CHECKING:
    from o9_assets.sandbox.aws.twin import Twin

__all__ = ["GlueJobs"]

ROOT = Path(__file__).resolve().parents[4]
RUNNING = ("STARTING", "RUNNING", "STOPPING")
RUN_SETTINGS = ("Timeout", "MaxCapacity", "WorkerType", "NumberOfWorkers", "ExecutionClass", "SecurityConfiguration")
# What Glue reads itself, or what asks for something that cannot be had here.
ITS_OWN = ("--extra-py-files", "--additional-python-modules", "--TempDir", "--enable-metrics", "--job-language")


class GlueJobs(Fake):
    """Jobs and their runs. For tests: `seconds_a_minute` shortens time-outs, `processes` names what runs."""

    service = "glue"

    def __init__(self, twin: Twin) -> None:
        super().__init__(twin)
        self.seconds_a_minute = 60.0
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for identity, run in self.state.all("run").items():
            if run["JobRunState"] in RUNNING:
                ended = {"JobRunState": "FAILED", "ErrorMessage": "The sandbox was stopped.", "CompletedOn": _now()}
                self.state.put("run", identity, run | ended)

    def close(self) -> None:
        for process in list(self._processes.values()):
            _kill(process)
        super().close()

    # Jobs

    def create_job(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        name, command = request["Name"], request["Command"]
        if command.get("Name") not in ("pythonshell", "glueetl"):
            raise _bad(f"NotEmulated: jobs of the kind {command.get('Name')} are not emulated by the sandbox")
        if not command.get("ScriptLocation", "").startswith("s3://"):
            raise _bad("Command needs ScriptLocation, s3://bucket/key.")
        job = {"MaxRetries": 0, "Timeout": 2880, "ExecutionProperty": {"MaxConcurrentRuns": 1}}
        job |= {k: v for k, v in request.items() if k != "Tags"} | {"CreatedOn": _now(), "LastModifiedOn": _now()}
        if not self.state.add("job", name, job):
            raise ServiceError("IdempotentParameterMismatchException", f"Job {name} exists already.")
        return {"Name": name}

    def update_job(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        job = self._job(request["JobName"])
        self.state.put("job", request["JobName"], job | request["JobUpdate"] | {"LastModifiedOn": _now()})
        return {"JobName": request["JobName"]}

    def get_job(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return {"Job": self._job(request["JobName"])}

    def get_jobs(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return {"Jobs": list(self.state.all("job").values())}

    def list_jobs(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return {"JobNames": list(self.state.all("job"))}

    def delete_job(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self.state.delete("job", request["JobName"])
        return {"JobName": request["JobName"]}

    # Runs

    def start_job_run(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        name = request["JobName"]
        job = self._job(name)
        with self.state.exclusive():
            most = job["ExecutionProperty"].get("MaxConcurrentRuns", 1)
            if sum(run["JobRunState"] in RUNNING for run in self._runs(name)) >= most:
                raise ServiceError("ConcurrentRunsExceededException", f"Concurrent runs exceeded for {name}")
            identity = f"jr_{uuid.uuid4().hex}{uuid.uuid4().hex}"
            settings = {k: v for k in RUN_SETTINGS if (v := request.get(k, job.get(k))) is not None}
            arguments = {**job.get("DefaultArguments", {}), **request.get("Arguments", {})}
            run = {
                "Id": identity,
                "JobName": name,
                "Attempt": 0,
                "StartedOn": _now(),
                "LastModifiedOn": _now(),
                "JobRunState": "STARTING",
                "Arguments": arguments | job.get("NonOverridableArguments", {}),
                "ExecutionTime": 0,
                "LogGroupName": "/aws-glue/python-jobs",
                **settings,
            }
            if "JobRunId" in request:
                run["PreviousRunId"] = request["JobRunId"]
            self.state.put("run", identity, run)
        self.twin.background(f"glue-{name}", lambda: self._attempts(job, run))
        return {"JobRunId": identity}

    def get_job_run(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self._job(request["JobName"])
        return {"JobRun": self._run(request["JobName"], request["RunId"])}

    def get_job_runs(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        """Newest first."""
        self._job(request["JobName"])
        runs = sorted(self._runs(request["JobName"]), key=lambda run: run["StartedOn"], reverse=True)
        first, size = int(request.get("NextToken", 0)), request.get("MaxResults", 200)
        more = str(first + size) if len(runs) > first + size else None
        return {"JobRuns": runs[first : first + size], "NextToken": more}

    def batch_stop_job_run(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        name, stopped, wrong = request["JobName"], [], []
        for identity in request["JobRunIds"]:
            run = self.state.get("run", identity)
            if run is None or run["JobName"] != name or run["JobRunState"] not in RUNNING:
                code = "EntityNotFoundException" if run is None else "InvalidInputException"
                detail = {"ErrorCode": code, "ErrorMessage": f"{identity} is not running."}
                wrong.append({"JobName": name, "JobRunId": identity, "ErrorDetail": detail})
                continue
            self._change(identity, JobRunState="STOPPING")
            if (process := self._processes.get(identity)) is not None:
                _kill(process)
            stopped.append({"JobName": name, "JobRunId": identity})
        return {"SuccessfulSubmissions": stopped, "Errors": wrong}

    def processes(self, run_id: str) -> list[int]:
        """Process ids of a run, for tests that kill one."""
        return [process.pid for key, process in self._processes.items() if key == run_id]

    # The work

    def _attempts(self, job: dict[str, Any], run: dict[str, Any]) -> None:
        """Run, and again as often as the job says; each attempt is a run of its own."""
        first = run["Id"]
        for attempt in range(job["MaxRetries"] + 1):
            if attempt:
                run = run | {"Id": f"{first}_attempt_{attempt}", "Attempt": attempt, "PreviousRunId": run["Id"]}
                run |= {"StartedOn": _now(), "JobRunState": "STARTING"}
                self.state.put("run", run["Id"], run)
            if self._perform(job, run) != "FAILED" or self.twin.closing.is_set():
                return

    def _perform(self, job: dict[str, Any], run: dict[str, Any]) -> str:
        identity = run["Id"]
        folder = self.twin.state / "glue" / identity
        folder.mkdir(parents=True)
        try:
            with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
                state, told = self._execute(job, run, folder, out, err)
        except ServiceError as error:
            state, told = "FAILED", error.message
        for stream, file in (("output", "out"), ("error", "err")):
            path = folder / file
            if path.exists() and not self.twin.closing.is_set():
                text = path.read_text(encoding="utf-8", errors="replace")
                self.twin.log(f"/aws-glue/python-jobs/{stream}", identity, text)
        shutil.rmtree(folder)
        seconds = int((_now() - run["StartedOn"]).total_seconds())
        ended: dict[str, Any] = {"JobRunState": state, "CompletedOn": _now(), "ExecutionTime": seconds}
        self._change(identity, **ended, **({"ErrorMessage": told} if told else {}))
        return state

    def _execute(
        self, job: dict[str, Any], run: dict[str, Any], folder: Path, out: Any, err: Any
    ) -> tuple[str, str | None]:
        """The state at the end, and why it failed."""
        script, path = folder / "script.py", [str(ROOT)]
        script.write_bytes(self._fetched(job["Command"]["ScriptLocation"]))
        for location in filter(None, run["Arguments"].get("--extra-py-files", "").split(",")):
            extra = folder / location.rpartition("/")[2]
            extra.write_bytes(self._fetched(location.strip()))
            path.insert(0, str(extra if extra.suffix in (".zip", ".egg", ".whl") else folder))
        arguments = [word for k, v in run["Arguments"].items() if k not in ITS_OWN for word in (k, v)]
        arguments = ["--JOB_NAME", run["JobName"], "--JOB_RUN_ID", run["Id"], *arguments]
        environment = {**os.environ, **self.twin.environment(job.get("Role")), "PYTHONPATH": os.pathsep.join(path)}
        with self.state.exclusive():
            if self._run(run["JobName"], run["Id"])["JobRunState"] == "STOPPING":
                return "STOPPED", None
            process = subprocess.Popen(  # noqa: S603 - the job's own script is what is wanted
                [sys.executable, str(script), *arguments],
                stdout=out,
                stderr=err,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
            self._processes[run["Id"]] = process
            self._change(run["Id"], JobRunState="RUNNING")
        try:
            code = process.wait(timeout=run["Timeout"] * self.seconds_a_minute)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
            return "TIMEOUT", f"Job run exceeded its timeout of {run['Timeout']} minutes"
        finally:
            _kill(process)  # what the script left behind
            self._processes.pop(run["Id"], None)
        if self._run(run["JobName"], run["Id"])["JobRunState"] == "STOPPING":
            return "STOPPED", None
        if code == 0:
            return "SUCCEEDED", None
        lines = (folder / "err").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return "FAILED", lines[-1] if lines and code > 0 else f"Command failed with {how}"

    def _fetched(self, location: str) -> bytes:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        return self.twin.fetch(bucket, key)

    # What is meant

    def _job(self, name: str) -> dict[str, Any]:
        job: dict[str, Any] | None = self.state.get("job", name)
        if job is None:
            raise ServiceError("EntityNotFoundException", f"Job {name} not found.")
        return job

    def _runs(self, name: str) -> list[dict[str, Any]]:
        return [run for run in self.state.all("run").values() if run["JobName"] == name]

    def _run(self, name: str, identity: str) -> dict[str, Any]:
        run: dict[str, Any] | None = self.state.get("run", identity)
        if run is None or run["JobName"] != name:
            raise ServiceError("EntityNotFoundException", f"Job run {identity} not found.")
        return run

    def _change(self, identity: str, **values: Any) -> None:
        self.state.change("run", identity, lambda run: (run or {}) | values | {"LastModifiedOn": _now()})


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _now() -> datetime:
    return datetime.now(UTC)


def _bad(message: str) -> ServiceError:
    return ServiceError("InvalidInputException", message)
