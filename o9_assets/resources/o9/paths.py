"""A profile's paths: templates below the base URL, each with the places that it must and may hold."""

from __future__ import annotations

import string
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from o9_assets.planning.model import Model, Wrong, suggest

__all__ = ["Paths", "places_of"]

PLACES = ("model", "tenant", "dimension", "measure_group", "run", "file")
ALWAYS = {"model", "tenant"}
FILLED = {
    "members": {"dimension"},
    "facts": {"measure_group"},
    "query": set[str](),
    "login": set[str](),
    "pipeline": set[str](),
    "upload": {"file"},
    "pipeline_status": {"run"},
}
"""What a path must hold, for it says what the request is about; it may hold ALWAYS beside that, and nothing else."""


def places_of(template: str) -> list[str]:
    """The names in braces. Raises ValueError for one that is written with a conversion or a format."""
    found = []
    for _, place, form, conversion in string.Formatter().parse(template):
        if place is not None:
            if form or conversion:
                raise ValueError(f"{{{place}}} stands alone in its braces, without '!' or ':'")
            found.append(place)
    return found


def _template(value: str) -> str:
    if not value.startswith("/") or value.startswith("//"):
        raise ValueError(f"{value!r} must begin with one '/', for it comes after the base URL")
    for place in places_of(value):
        if place not in PLACES:
            raise ValueError(f"{{{place}}} is none of {', '.join(sorted(PLACES))}{suggest(place, PLACES)}")
    return value


Template = Annotated[str, AfterValidator(_template)]


class Paths(Model):
    """Paths below the base URL; {model}, {tenant}, {dimension}, {measure_group}, {run} and {file} are filled in."""

    members: Template = "/api/v2/master/{model}/{dimension}"
    facts: Template = "/api/v2/fact/{model}/{measure_group}"
    query: Template = "/api/ibplquery/{tenant}/ExecuteQueryJson"
    login: Template = "/api/framework/auth/login"
    pipeline: Template = "/{tenant}/api/v3/integration/{tenant}/ui/airflow/execute?IsolatedExecution=false"
    upload: Template = "/{tenant}/api/v3/integration/{tenant}/DataLakefiles/upload?filePath={file}&overrideFile=false"
    pipeline_status: Template | None = Field(None, description="Left out, a started pipeline is not asked after")

    @model_validator(mode="after")
    def _places(self) -> Paths:
        wrong: list[tuple[tuple[str | int, ...], str]] = []
        for name, must in FILLED.items():
            if (template := getattr(self, name)) is None:
                continue
            found = set(places_of(template))
            if lacks := must - found:
                wrong.append(((name,), f"must hold {{{min(lacks)}}}, or every request is about the same"))
            elif strange := found - must - ALWAYS:
                may = ", ".join(f"{{{place}}}" for place in sorted(must | ALWAYS))
                wrong.append(((name,), f"{{{min(strange)}}} is not known here; there are {may}"))
        if wrong:
            raise Wrong(*wrong)
        return self
