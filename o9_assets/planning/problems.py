"""From pydantic's errors to problems as a planner reads them: key, line, what was found, what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from o9_assets.planning.errors import Problem
from o9_assets.planning.model import Wrong, suggest
from o9_assets.planning.source import Key, Lines

__all__ = ["problems_of"]


def problems_of(error: ValidationError, root: type[BaseModel], lines: Lines) -> list[Problem]:
    """Every wrong setting of a model, in the order of the file."""
    found = [problem for one in error.errors() for problem in _problems(dict(one), root, lines)]
    return sorted(found, key=lambda problem: problem.line or 0)


def _problems(one: dict[str, Any], root: type[BaseModel], lines: Lines) -> Iterator[Problem]:
    # pydantic puts the names of validators and "[key]" into the path; they are no keys of the file.
    key = tuple(part for part in one["loc"] if not (isinstance(part, str) and re.search(r"^\[key\]$|\(|\[.*,", part)))
    path, key = key, _without_tags(key, root)
    if one["type"].startswith("union_tag"):
        path = key = (*key, one["ctx"]["discriminator"].strip("'"))
    cause = one.get("ctx", {}).get("error")
    if isinstance(cause, Wrong):
        for below, message in cause.found:
            whole = (*key, *below)
            yield Problem(".".join(map(str, whole)), lines.of(whole), message)
        return
    yield Problem(".".join(map(str, key)), lines.of(key), _message(one, path, root))


def _message(one: dict[str, Any], key: Key, root: type[BaseModel]) -> str:
    kind, said, found = one["type"], one["msg"].removeprefix("Value error, "), one["input"]
    field = _field_at(key, root)
    meant = f" ({field.description})" if field is not None and field.description else ""
    if kind == "value_error":
        return str(said)
    if kind == "extra_forbidden":
        model = _model_at(key[:-1], root)
        known = [f.alias or name for name, f in model.model_fields.items()] if model else []
        return f"there is no such key{suggest(str(key[-1]), known)}" + (f" ({', '.join(known)})" if known else "")
    if kind == "union_tag_invalid":
        found, expected = one["ctx"]["tag"], one["ctx"]["expected_tags"]
        near = suggest(found, re.findall(r"'([^']*)'", expected))
        return f"{found!r} is none of {expected}{near}"
    if kind in ("missing", "union_tag_not_found"):
        return f"is missing{meant}"
    if found is None:
        return f"is empty: give it a value, or leave the key out{meant}"
    if kind == "literal_error":
        expected = one["ctx"]["expected"]
        near = suggest(str(found), re.findall(r"'([^']*)'", expected))
        return f"{found!r} is none of {expected}{near}"
    if kind == "string_type" and not isinstance(found, dict | list):
        return f"must be text; found {_as_written(found)}: put it in quotes"
    if kind in ("tuple_type", "list_type"):
        return f"must be a list, such as [{found}]; found {_as_written(found)}{meant}"
    if kind in ("model_type", "dict_type"):
        return f"must be keys with values; found {_as_written(found)}{meant}"
    return f"{said[0].lower()}{said[1:]}; found {_as_written(found)}{meant}"


def _as_written(found: Any) -> str:
    """The value as it stands in YAML."""
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, dict):
        return "keys with values"
    return str(found) if isinstance(found, int | float) else repr(found)


def _model_at(key: Key, root: type[BaseModel]) -> type[BaseModel] | None:
    """The model that holds the keys below `key`, which may hold the tags of unions."""
    model: Any = root
    for part in key:
        model = _step(model, part)
    return model if _is_model(model) else None


def _step(model: Any, part: str | int) -> Any:
    """What stands at `part` of a model, of a mapping of names, of a list, or of a union of tagged models."""
    if _is_model(model):
        field = _field(model, part)
        model = None if field is None else field.annotation
    elif tags := _tags(model):
        model = tags.get(str(part))
    elif args := get_args(model):
        model = args[-1] if args[-1] is not Ellipsis else args[0]
    # A model that may be left out is Model | None.
    return next((arg for arg in get_args(model) if _is_model(arg)), model) if _is_optional(model) else model


def _tags(model: Any) -> dict[str, Any]:
    """The models of a tagged union by their tags; empty for anything else."""
    for field in getattr(model, "__metadata__", ()):
        if discriminator := getattr(field, "discriminator", None):
            among = get_args(get_args(model)[0])
            return {tag: one for one in among for tag in get_args(one.model_fields[discriminator].annotation)}
    return {}


def _without_tags(key: Key, root: type[BaseModel]) -> Key:
    """The key as the file has it: pydantic puts the tag of a union into it."""
    model: Any = root
    kept: list[str | int] = []
    for part in key:
        if part not in _tags(model):
            kept.append(part)
        model = _step(model, part)
    return tuple(kept)


def _is_model(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, BaseModel)


def _is_optional(model: Any) -> bool:
    return type(None) in get_args(model)


def _field(model: type[BaseModel], name: str | int) -> FieldInfo | None:
    return next((field for own, field in model.model_fields.items() if name in (own, field.alias)), None)


def _field_at(key: Key, root: type[BaseModel]) -> FieldInfo | None:
    model = _model_at(key[:-1], root) if key else None
    return _field(model, key[-1]) if model is not None else None
