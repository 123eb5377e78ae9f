"""A wrong setting, told so that a planner can mend it: file, key, line, what is wrong and what would be right."""

from collections.abc import Sequence
from dataclasses import dataclass

from o9_assets.failures import Permanent

__all__ = ["Problem", "SettingsError"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong setting. `line` is None where the key is missing altogether and its parent has no line either."""

    key: str
    line: int | None
    message: str

    def __str__(self) -> str:
        at = f"line {self.line}: " if self.line is not None else ""
        return f"{at}{self.key or 'the file'}: {self.message}"


class SettingsError(Permanent):
    """The settings file is wrong. `problems` holds every wrong setting found at once; `explained` is its keys' page."""

    def __init__(self, file: str, problems: Sequence[Problem], *, explained: str = "docs/planning.md") -> None:
        self.file = file
        self.problems = tuple(problems)
        listed = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{file} cannot be used:\n{listed}\n", remedy=f"{explained} explains every key.")
