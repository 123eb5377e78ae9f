"""`make bench`: runs every benchmark in a process of its own, compares side by side, writes the figures down.

Each module of this folder with a function `run(scale: float) -> list[dict]` is a benchmark; a figure is
`{name, value, unit, limit, ok}`, limit and ok being null where a figure is only told; in results.json each also says
on which machine and with which versions. Ratios are taken within one
run on one machine, so that they hold on another one. Figures go to benchmarks/results.json and docs/performance.md;
a run of some benchmarks replaces theirs and keeps the others'.
"""

import argparse
import ast
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
DOC = HERE.parent / "docs" / "performance.md"
LIBRARIES = ("dagster", "duckdb", "pyarrow", "pyiceberg", "pandas", "statsforecast", "mlforecast", "lightgbm")


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = (
        next(
            (
                line.split(":", 1)[1].strip()
                for line in Path("/proc/cpuinfo").read_text().splitlines()
                if "model name" in line
            ),
            platform.processor(),
        )
        if Path("/proc/cpuinfo").exists()
        else platform.processor()
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def measure(name: str, scale: float) -> list[dict[str, object]]:
    """The figures of one benchmark, run in a fresh process; a benchmark that fails is a figure that is not ok."""
    code = f"import json, sys, benchmarks.{name} as b; print('\\n@@' + json.dumps(b.run({scale})))"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=HERE.parent, capture_output=True, text=True, check=False)
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    for line in done.stdout.splitlines():
        if line.startswith("@@"):
            return [{**figure, "benchmark": name} for figure in json.loads(line[2:])]
    print(done.stdout[-2000:], done.stderr[-4000:], sep="\n", file=sys.stderr)
    return [{"benchmark": name, "name": "ends", "value": done.returncode, "unit": "exit code", "limit": 0, "ok": False}]


def page(figures: list[dict[str, object]], where: dict[str, object]) -> str:
    """docs/performance.md: each benchmark in its own words, then its figures."""
    lines = [
        "# How fast, how lean",
        "",
        "Written by `make bench`, which measures everything anew; `make bench ARGS=landing` one benchmark, and",
        "`ARGS='demand --scale 0.1'` a smaller one that is only printed. Ratios compare both sides in one run on one",
        "machine, so they say more than seconds do. A figure that keeps its limit has ✓, one that does not ✗.",
        "",
        f"Measured on {where['cpu']}, {where['cores']} cores, {where['memory_gib']} GiB, Python {where['python']}; "
        + ", ".join(f"{k} {v}" for k, v in where["versions"].items())  # type: ignore[attr-defined]
        + ".",
    ]
    for name in names():
        told = ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))) or ""
        lines += ["", f"## {name}", "", told]
        rows = [figure for figure in figures if figure["benchmark"] == name]
        lines += (
            ["", "| figure | value | unit | limit | |", "|---|---:|---|---:|---|"]
            if rows
            else ["", "Not measured yet."]
        )
        for figure in rows:
            limit = "" if figure["limit"] is None else f"{figure['limit']:,}"
            sign = {True: "✓", False: "✗", None: ""}[figure["ok"]]  # type: ignore[index]
            lines.append(f"| {figure['name']} | {figure['value']:,} | {figure['unit']} | {limit} | {sign} |")
    return "\n".join(lines) + "\n"


def names() -> list[str]:
    """Every benchmark."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", help="benchmarks to run (default: all)")
    parser.add_argument("--scale", type=float, default=1.0, help="1 is the full size")
    given = parser.parse_args()
    chosen = given.only or names()
    for name in chosen:
        if importlib.util.find_spec(f"benchmarks.{name}") is None:
            parser.error(f"there is no benchmark {name!r}")
    figures = [figure for name in chosen for figure in measure(name, given.scale)]
    where = machine()
    for figure in figures:
        sign = "✗" if figure["ok"] is False else " "
        print(f"{sign} {figure['benchmark']:<10} {figure['name']:<60} {figure['value']:>14,} {figure['unit']}")
    if given.scale != 1.0:
        print("Not written down: only a run at scale 1 is.")
    else:
        kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
        figures = [f for f in kept if f["benchmark"] not in chosen] + [{**figure, **where} for figure in figures]
        figures.sort(key=lambda figure: str(figure["benchmark"]))
        RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
        DOC.write_text(page(figures, where))
    return int(any(figure["ok"] is False for figure in figures))


if __name__ == "__main__":
    raise SystemExit(main())
