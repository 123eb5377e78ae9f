"""SQL conditions on the columns of a row: a feed's rules and kinds.

A condition may only compare values of its row, with functions that DuckDB and Spark know alike and that give the same
answer every time. Anything else is refused by an allow-list of what sqlglot parses it into.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import sqlglot
from pydantic import AfterValidator
from sqlglot import exp

__all__ = ["Condition", "columns_of", "type_problem"]

_ALLOWED: tuple[type[exp.Expression], ...] = (
    *(exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren),
    *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE),
    *(exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ, exp.In, exp.Between, exp.Like, exp.ILike, exp.Escape),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.DPipe, exp.Concat),
    *(exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam, exp.Interval, exp.Var),
    *(exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least),
    *(exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Sign),
    *(exp.Lower, exp.Upper, exp.Trim, exp.Length, exp.Left, exp.Right, exp.Substring, exp.Replace),
    *(exp.StartsWith, exp.EndsWith, exp.Contains, exp.RegexpLike),
    *(exp.Extract, exp.Year, exp.Month, exp.Day, exp.Date),
)
_HINT = (
    "allowed are comparisons, and, or, not, in, between, like, is null, arithmetic, case, cast, and functions such as "
    "abs, round, upper, trim, length, substring, starts_with, regexp_matches, coalesce, year"
)


def columns_of(condition: str) -> set[str]:
    """The columns that an SQL condition reads.

    Raises ValueError for text that is no single condition, or that does more than compare values of its row: no
    subquery, no aggregate, no function that reads a file, the clock or chance.
    """
    try:
        trees = sqlglot.parse(f"SELECT 1 WHERE {condition}", dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        said = getattr(error, "errors", None)
        raise ValueError(f"is no SQL condition: {said[0]['description'] if said else error}") from error
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Select) or any(
        value for name, value in tree.args.items() if name not in ("expressions", "where", "kind")
    ):
        raise ValueError("must be one condition on the columns of a row, without ; ORDER BY or the like")
    where = tree.args["where"].this
    if len(list(tree.find_all(exp.Query))) != 1:
        raise ValueError("must be one condition on the columns of a row, without a subquery")
    for part in where.walk():
        if not isinstance(part, _ALLOWED):
            raise ValueError(f"uses {_called(part)}, which is not known to every engine; {_HINT}")
        if isinstance(part, exp.Column) and (part.table or isinstance(part.this, exp.Star)):
            raise ValueError(f"names {part.sql('duckdb')!r}; a column is named by itself")
    return {column.name for column in where.find_all(exp.Column)}


def _called(part: exp.Expression) -> str:
    if isinstance(part, exp.Anonymous):
        return f"the function {part.name!r}"
    if isinstance(part, exp.Func):
        return f"the function {part.sql_name().lower()!r}"
    return repr(part.sql("duckdb"))


def _checked(condition: str) -> str:
    columns_of(condition)
    return condition


Condition = Annotated[str, AfterValidator(_checked)]


def type_problem(condition: str, types: Mapping[str, str]) -> str | None:
    """Why a condition cannot be applied to columns of these DuckDB types, or None where it can."""
    import duckdb

    # Tried on rows: a constant that is none, a cast that can fail and a product that overflows are found only when they
    # are worked out.
    columns = [[f'CAST({sample} AS {kind}) AS "{name}"' for sample in _samples(kind)] for name, kind in types.items()]
    rows = [", ".join(row) for row in zip(*columns, strict=True)] or ["1"]
    try:
        with duckdb.connect(":memory:") as con:
            con.execute(f"CREATE TABLE rows AS {' UNION ALL '.join(f'SELECT {row}' for row in rows)}").fetchall()
            found = con.execute(f"DESCRIBE SELECT ({condition}\n) AS met FROM rows").fetchall()[0][1]
            con.execute(f"SELECT ({condition}\n) FROM rows").fetchall()
    except duckdb.OutOfRangeException as error:
        said = str(error).splitlines()[0]
        return f"cannot be applied to the largest numbers: {said}; what is reckoned with is written cast(... as double)"
    except duckdb.ConversionException as error:
        return f"cannot be applied: {str(error).splitlines()[0]}; a cast that may fail is written try_cast"
    except duckdb.Error as error:
        return f"cannot be applied: {str(error).splitlines()[0]}"
    return None if found == "BOOLEAN" else f"is no condition but a {found}; write what it is compared with"


def _samples(kind: str) -> tuple[str, str, str]:
    """A usual value of the type, the largest and the least."""
    if kind == "VARCHAR":
        return "'text'", "''", "'0'"
    if kind in ("DATE", "TIMESTAMP"):
        return "'2000-01-01'", "'2262-01-01'", "'1900-01-01'"
    if kind.startswith("DECIMAL"):
        width, scale = kind.removeprefix("DECIMAL(").removesuffix(")").split(",")
        largest = "9" * (int(width) - int(scale))
        return "0", largest, f"-{largest}"
    return "0", "999999", "-999999"
