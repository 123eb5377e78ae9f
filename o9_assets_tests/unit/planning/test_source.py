"""YAML as a person wrote it: text stays text, every key has its line, and what is no YAML is told."""

from pathlib import Path

import pytest

from o9_assets.planning.errors import SettingsError
from o9_assets.planning.source import read, read_file


def told(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(text, "my.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("NO", "NO"),  # Norway
        ("yes", "yes"),
        ("off", "off"),
        ("0123", "0123"),
        ("007", "007"),
        ("12:30", "12:30"),
        ("2026-12-25", "2026-12-25"),
        ("2026-02-30", "2026-02-30"),
        ("1_000", "1_000"),
        ("true", True),
        ("12", 12),
        ("-3", -3),
        ("0.95", 0.95),
        ("1e3", 1000.0),
        ("", None),
        ("~", None),
        ("'12'", "12"),
    ],
)
def test_a_value_is_what_it_looks_like(written: str, value: object) -> None:
    values, _ = read(f"a: {written}", "my.yaml")
    assert values == {"a": value}
    assert type(values["a"]) is type(value)


def test_keys_are_text_as_they_stand() -> None:
    values, lines = read("{1: EA, NO: Norway, 0123: x, true: y, ~: z}", "my.yaml")
    assert values == {"1": "EA", "NO": "Norway", "0123": "x", "true": "y", "~": "z"}
    assert lines.of(("NO",)) == 1


def test_every_key_and_entry_has_its_line_and_what_is_missing_that_of_its_parent() -> None:
    _, lines = read("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n", "my.yaml")
    assert [lines.of(key) for key in [("a",), ("a", "b"), ("a", "c", 1), ("a", "c", 1, "d")]] == [1, 2, 5, 5]
    assert lines.of(("a", "c", 1, "e", "f")) == 5
    assert lines.of(("z",)) is None


def test_a_part_may_be_written_once_and_used_twice() -> None:
    values, _ = read("a: &x {b: 1, c: 2}\nd: *x\ne: {<<: *x, c: 3}\n", "my.yaml")
    assert values == {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 2}, "e": {"b": 1, "c": 3}}


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    values, lines = read("\ufeffa: 1\r\nb: 2\r\n", "my.yaml")
    assert values == {"a": 1, "b": 2}
    assert lines.of(("b",)) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "line 1: the file: is no YAML: while parsing a flow node"),
        ("a: 1\n b: 2", "line 2: the file: is no YAML: mapping values are not allowed here"),
        ("a: 1\n\tb: 2", "line 2: the file: is no YAML: "),
        ("a: 1\nb: \x00", "line 2: the file: is no YAML: holds the character '\\x00'"),
        ("a: !!python/object/apply:os.system [ls]", "line 1: the file: is no YAML: could not determine a constructor"),
        ("a: *b", "line 1: the file: is no YAML: found undefined alias"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("- 1", "line 1: the file: must be a mapping of keys to values"),
        ("", "line 1: the file: must be a mapping of keys to values"),
        ("a: 1\na: 2", "line 2: a: stands twice; the first is on line 1"),
        ("a: {b: 1}\nc:\n  b: 1\n  b: 2", "line 4: c.b: stands twice; the first is on line 3"),
        ("a: &x\n  b: *x", "line 2: a.b: refers to itself"),
        ("? [a, b]\n: 1", "line 1: the file: a key must be text"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, said: str) -> None:
    assert said in told(text)[0]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        read_file(tmp_path / "none.yaml")
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_file(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"company: A\nname: M\xfcller\n")
    with pytest.raises(SettingsError, match=r"line 2: the file: is not UTF-8: b'\\xfc'; save it as UTF-8"):
        read_file(tmp_path / "latin.yaml")
