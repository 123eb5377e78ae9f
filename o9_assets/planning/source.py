"""YAML as a person wrote it: the values, and the line of every key. What the values mean is settings.py's."""

from pathlib import Path
from typing import Any

import yaml

from o9_assets.planning.errors import Problem, SettingsError

__all__ = ["Lines", "read"]

Path_ = tuple[str | int, ...]


class Lines:
    """Where a key stands: `lines.of(("feeds", "erp_orders", "path"))` is a line number, counted from 1.

    A key that is not there has the line of the nearest parent that is.
    """

    def __init__(self, known: dict[Path_, int]) -> None:
        self._known = known

    def of(self, key: Path_) -> int | None:
        while key and key not in self._known:
            key = key[:-1]
        return self._known.get(key)


def read(text: str, file: str) -> tuple[dict[str, Any], Lines]:
    """Values and lines of a YAML mapping.

    Raises SettingsError for text that is no YAML, is no mapping, or holds a key twice.
    """
    known: dict[Path_, int] = {}
    problems: list[Problem] = []
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _walk(root, (), known, problems)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise SettingsError(file, [Problem("", mark.line + 1 if mark else None, f"is no YAML: {said}")]) from error
    if problems:
        raise SettingsError(file, problems)
    if not isinstance(values, dict):
        raise SettingsError(file, [Problem("", 1, "must be a mapping of keys to values")])
    return values, Lines(known)


def _walk(node: yaml.Node | None, key: Path_, known: dict[Path_, int], problems: list[Problem]) -> None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            here = (*key, str(name.value))
            line = name.start_mark.line + 1
            if here in known:
                dotted = ".".join(map(str, here))
                problems.append(Problem(dotted, line, f"stands twice; the first is on line {known[here]}"))
            known[here] = line
            _walk(value, here, known, problems)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            known[(*key, index)] = value.start_mark.line + 1
            _walk(value, (*key, index), known, problems)


def read_file(path: Path) -> str:
    """The file's text. Raises SettingsError where there is none or it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SettingsError(str(path), [Problem("", None, "there is no such file")]) from error
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), [Problem("", None, f"is not UTF-8: {error}")]) from error
