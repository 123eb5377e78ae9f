"""Records of a text file are those that the parser sees, whatever its quotes: one more or fewer would be a lost row."""

from __future__ import annotations

import itertools
from pathlib import Path

import duckdb
import pytest

from o9_assets.landing.records import records


def read(path: Path, text: str, delimiter: str = ",") -> list[str]:
    path.write_bytes(text.encode())
    return [record.decode() for _, _, record in records(path, '"', delimiter)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('a,b\n\n"c\nd",e', ["a,b", '"c\nd",e']),
        # Only a quote that begins a value opens it, so the stray one leaves the next value whole.
        ('19" rack,"a"\nb,c\n', ['19" rack,"a"', "b,c"]),
        ('19" rack,"a\nb",c\n', ['19" rack,"a\nb",c']),
        ('"a"b"c\nd\n', ['"a"b"c', "d"]),
        ('"say ""yes""",b\nc\n', ['"say ""yes""",b', "c"]),
        ('a,"never closed\nb,c\n', ['a,"never closed\nb,c']),
    ],
)
def test_a_record_ends_at_the_first_line_end_outside_quotes(tmp_path: Path, text: str, found: list[str]) -> None:
    assert read(tmp_path / "any.csv", text) == found
    assert read(tmp_path / "any.csv", text.replace(",", "||"), "||") == [one.replace(",", "||") for one in found]


def test_the_parser_sees_as_many_records_but_for_a_last_one_without_end(tmp_path: Path) -> None:
    path = tmp_path / "any.csv"
    with duckdb.connect(config={"threads": 1}) as con:
        for signs in itertools.product('a,"\n', repeat=4):
            found = read(path, f"h,i\n{''.join(signs)}\nz,z\n")
            parsed = con.execute(
                f"SELECT h, i FROM read_csv('{path}', auto_detect = false, header = true, parallel = false, "
                "columns = {h: 'VARCHAR', i: 'VARCHAR'}, delim = ',', quote = '\"', escape = '\"', "
                "store_rejects = true, rejects_limit = 0)"
            ).fetchall()
            rejected = con.execute("SELECT DISTINCT line_byte_position FROM reject_errors").fetchall()
            con.execute("DROP TABLE reject_errors")
            con.execute("DROP TABLE reject_scans")
            missing = len(found) - 1 - len(parsed) - len(rejected)
            assert missing == (found[-1] != "z,z"), signs
