"""Rules and kinds are SQL conditions that may look at their row and at nothing else."""

import pytest

from o9_assets.planning.conditions import columns_of, type_problem

TYPES = {"quantity": "DECIMAL(18,4)", "item_code": "VARCHAR", "order_date": "DATE", "unit_price": "DECIMAL(18,4)"}


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("quantity < 0", {"quantity"}),
        ("abs(quantity) <= 1000000", {"quantity"}),
        ("order_date between date '2015-01-01' and date '2100-01-01'", {"order_date"}),
        ("item_code in ('POST', 'M') or upper(trim(item_code)) like 'DCGS%'", {"item_code"}),
        (
            "not (cast(quantity as double) * unit_price > 1e6) and item_code is not null",
            {"quantity", "unit_price", "item_code"},
        ),
        ("regexp_matches(item_code, '^[0-9]{5}')", {"item_code"}),
        ("starts_with(item_code, 'C') and length(item_code) > 3", {"item_code"}),
        ("case when quantity < 0 then unit_price > 0 else true end", {"quantity", "unit_price"}),
        ("coalesce(unit_price, 0) = 0", {"unit_price"}),
        ("year(order_date) >= 2015 and extract(month from order_date) <> 13", {"order_date"}),
        ("item_code || 'x' is distinct from 'yx'", {"item_code"}),
        ("quantity % 12 = 0 -- whole dozens", {"quantity"}),
        ("true", set()),
        ("try_cast(item_code as integer) > 5", {"item_code"}),
    ],
)
def test_a_condition_reads_columns_of_its_row(condition: str, columns: set[str]) -> None:
    assert columns_of(condition) == columns
    assert type_problem(condition, TYPES) is None


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("quantity <", "is no SQL condition"),
        ("'", "is no SQL condition"),
        ("", "is no SQL condition"),
        ("quantity > 1; drop table x", "must be one condition"),
        ("quantity > 1 order by 1", "must be one condition"),
        ("quantity > 1 group by quantity", "must be one condition"),
        ("true limit 1", "must be one condition"),
        ("true union select 1", "must be one condition"),
        ("quantity in (select 1)", "without a subquery"),
        ("exists (from read_csv('/etc/passwd'))", "without a subquery"),
        ("read_text('x') = ''", "uses the function 'read_text'"),
        ("getenv('HOME') = ''", "uses the function 'getenv'"),
        ("order_date <= current_date", "uses the function 'current_date'"),
        ("random() > 0.5", "uses the function 'rand'"),
        ("sum(quantity) > 1", "uses the function 'sum'"),
        ("row_number() over () = 1", "is not known to every engine"),
        ("quantity > ?", r"uses '\?'"),
        ("quantity > $1", "is not known to every engine"),
        ("o.quantity > 1", "names 'o.quantity'; a column is named by itself"),
        ("[x for x in [1]] is null", "is not known to every engine|is no SQL condition"),
    ],
)
def test_a_condition_that_does_more_is_refused(condition: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        columns_of(condition)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("quantity", r"is no condition but a DECIMAL\(18,4\)"),
        ("order_date > 5", "cannot be applied"),
        ("order_date > 'soon'", "cannot be applied: Conversion Error"),
        ("cast(item_code as integer) > 5", "a cast that may fail is written try_cast"),
        ("quantity like '1%'", "cannot be applied"),
        # An article number in the column of the quantity must not end the run.
        ("quantity * unit_price < 1000000", r"the largest numbers: .*Overflow.* written cast\(... as double\)"),
        ("quantity * -2 < unit_price", "the largest numbers"),
        ("cast(quantity as integer) = quantity", "a cast that may fail is written try_cast"),
    ],
)
def test_a_condition_that_does_not_fit_its_columns_is_told(condition: str, said: str) -> None:
    import re

    problem = type_problem(condition, TYPES)
    assert problem is not None
    assert re.search(said, problem)
