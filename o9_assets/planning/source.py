"""YAML as a person wrote it: the values, and the line of every key. What the values mean is settings.py's.

Read by the rules of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): NO, on and yes are text and so is a day
or a time; only true and false are yes and no. A number that begins with 0 is text, since it is somebody's code. Keys
are text as they stand.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from o9_assets.planning.errors import Problem, SettingsError

__all__ = ["Lines", "read", "read_file"]

Key = tuple[str | int, ...]


class Lines:
    """Where a key stands: `lines.of(("feeds", "erp_orders", "path"))` is a line number, counted from 1.

    A key that is not there has the line of the nearest parent that is.
    """

    def __init__(self, known: dict[Key, int]) -> None:
        self._known = known

    def of(self, key: Key) -> int | None:
        while key and key not in self._known:
            key = key[:-1]
        return self._known.get(key)


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])


def read(text: str, file: str) -> tuple[dict[str, Any], Lines]:
    """Values and lines of a YAML mapping.

    Raises SettingsError for text that is no YAML, is no mapping, holds a key twice, or refers to itself.
    """
    known: dict[Key, int] = {}
    problems: list[Problem] = []
    try:
        loader = _Loader(text.removeprefix("\ufeff"))
        root = loader.get_single_node()
        _walk(root, (), known, problems, ())
        values = loader.construct_document(root) if root is not None and not problems else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise SettingsError(file, [Problem("", mark.line + 1 if mark else None, f"is no YAML: {said}")]) from error
    except yaml.reader.ReaderError as error:
        line, sign = text.count("\n", 0, error.position) + 1, chr(error.character)
        raise SettingsError(file, [Problem("", line, f"is no YAML: holds the character {sign!r}")]) from error
    if problems:
        raise SettingsError(file, problems)
    if not isinstance(values, dict):
        raise SettingsError(file, [Problem("", 1, "must be a mapping of keys to values, such as company: Sample")])
    return values, Lines(known)


def _walk(
    node: yaml.Node | None, key: Key, known: dict[Key, int], problems: list[Problem], within: tuple[yaml.Node, ...]
) -> None:
    """Note the line of every key below `node` and make all keys text; name what stands twice or holds itself."""
    if any(node is other for other in within):
        problems.append(Problem(".".join(map(str, key)), known.get(key), "refers to itself"))
    elif isinstance(node, yaml.MappingNode):
        twice: dict[str, int] = {}
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                line = name.start_mark.line + 1
                problems.append(Problem(".".join(map(str, key)), line, "a key must be text"))
                continue
            if name.tag != "tag:yaml.org,2002:merge":
                name.tag = "tag:yaml.org,2002:str"
            here, line = (*key, name.value), name.start_mark.line + 1
            if name.value in twice:
                dotted = ".".join(map(str, here))
                problems.append(Problem(dotted, line, f"stands twice; the first is on line {twice[name.value]}"))
            twice[name.value] = known[here] = line
            _walk(value, here, known, problems, (*within, node))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            known[(*key, index)] = value.start_mark.line + 1
            _walk(value, (*key, index), known, problems, (*within, node))


def read_file(path: Path) -> str:
    """The file's text. Raises SettingsError where there is none or it is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise SettingsError(str(path), [Problem("", None, "there is no such file")]) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        found = error.object[error.start : error.end]
        raise SettingsError(str(path), [Problem("", line, f"is not UTF-8: {found!r}; save it as UTF-8")]) from error
    except OSError as error:
        raise SettingsError(str(path), [Problem("", None, f"cannot be read: {error.strerror}")]) from error
