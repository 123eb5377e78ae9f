"""The company's master data as files: items, locations, units, promotions and transitions, each when it was known.

Every feed starts with one file that holds it all and goes on with files of what changed.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from o9_assets.sandbox.company.days import as_date
from o9_assets.sandbox.company.planted import Planted
from o9_assets.sandbox.company.shape import Company

__all__ = ["master_files"]

FAR = 5_000  # days from EPOCH: a delisting that is not planned
ITEM_HEADER = "MATERIAL;TEXT;BRAND;CATEGORY;BASE_UOM;LIST_PRICE;LISTED_FROM;DELISTED_FROM;CHANGED_AT\n"


def master_files(company: Company, planted: Planted) -> Iterator[tuple[str, str, bytes, int]]:
    """(feed, object name, content, rows) of every master file that exists on the company's last day."""
    yield from _items(company, planted)
    yield from _locations(company, planted)
    yield from _units(company, planted)
    yield from _promotions(company, planted)
    yield from _transitions(company, planted)


def _german(day: int) -> str:
    return f"{as_date(day):%d.%m.%Y}"


def _items(company: Company, planted: Planted) -> Iterator[tuple[str, str, bytes, int]]:
    """A listing or a delisting is known four weeks ahead; what was known by the first day is in the first file."""
    known = defaultdict(set)
    for item in range(company.item_count):
        if item == planted.outside_master:
            continue
        known[max(company.first_day, int(company.listed_from[item]) - 28)].add(item)
        if company.delisted_from[item] < FAR:
            known[max(company.first_day, int(company.delisted_from[item]) - 28)].add(item)
    for day in sorted(known):
        if day > company.last_day:
            continue
        rows = []
        for item in sorted(known[day]):
            delisted = int(company.delisted_from[item])
            price = int(company.price_cents[item])
            rows.append(
                ";".join(
                    (
                        company.item_codes[item],
                        company.item_names[item],
                        company.item_brands[item],
                        company.item_category_names[item],
                        "KG" if company.by_weight[item] else "EA",
                        f"{price // 100},{price % 100:02d}",
                        _german(int(company.listed_from[item])),
                        _german(delisted) if delisted - 28 <= day else "",
                        f"{_german(day)} 05:00:00",
                    )
                )
            )
        content = ITEM_HEADER + "\n".join(rows) + "\n"
        yield "erp_items", f"erp/items/{as_date(day)}.csv", content.encode("latin-1"), len(rows)


def _locations(company: Company, planted: Planted) -> Iterator[tuple[str, str, bytes, int]]:
    move = planted.move

    def record(k: int, day: int, region: str) -> dict[str, str]:
        return {
            "ship_to": company.location_codes[k],
            "name": company.location_names[k],
            "account": company.location_customers[k],
            "region": region,
            "country": company.location_countries[k],
            "channel": ("RETAIL", "WHOLESALE", "ONLINE")[company.location_channel[k]],
            "changed_at": f"{as_date(day)}T04:00:00",
        }

    first = company.first_day
    moved = [k for k in range(company.location_count) if company.location_customers[k] == move.customer]
    everywhere = [
        record(k, first, move.to_region if k in moved and move.effective <= first else company.location_regions[k])
        for k in range(company.location_count)
    ]
    yield _json_lines("erp_locations", f"crm/locations/{as_date(first)}.jsonl", everywhere)
    if move.effective > first:
        day = move.effective
        changed = [record(k, day, move.to_region) for k in moved]
        yield _json_lines("erp_locations", f"crm/locations/{as_date(day)}.jsonl", changed)


def _units(company: Company, planted: Planted) -> Iterator[tuple[str, str, bytes, int]]:
    header = "MATERIAL;UOM;VALID_FROM;FACTOR\n"
    change = planted.factor_change
    since = _german(company.last_day - 4_000)
    rows = [f"{code};CASE;{since};{company.case_factor[i] // 1_000_000}" for i, code in enumerate(company.item_codes)]
    later = f"{company.item_codes[change.item]};CASE;{_german(change.effective)};{change.to_factor // 1_000_000}"
    announced = change.effective - 14
    if announced <= company.first_day:
        rows.append(later)
    name = "erp/units/{}.csv"
    content = (header + "\n".join(rows) + "\n").encode()
    yield "uom_conversions", name.format(as_date(company.first_day)), content, len(rows)
    if announced > company.first_day:
        yield "uom_conversions", name.format(as_date(announced)), f"{header}{later}\n".encode(), 1


def _promotions(company: Company, planted: Planted) -> Iterator[tuple[str, str, bytes, int]]:
    """Promotions are agreed on a quarter ahead: one file every 13 weeks."""
    files = defaultdict(list)
    for promotion in planted.promotions:
        if promotion.end < company.first_day:
            continue
        weeks = (promotion.start - 91 - company.first_day) // 91 * 91
        files[max(company.first_day, company.first_day + weeks)].append(
            {
                "promotion": promotion.promotion_id,
                "material": company.item_codes[promotion.item],
                "ship_to": "*" if promotion.location is None else company.location_codes[promotion.location],
                "start": str(as_date(promotion.start)),
                "end": str(as_date(promotion.end)),
                "type": "price cut",
                "discount": promotion.discount_percent / 100,
            }
        )
    for day in sorted(files):
        if day <= company.last_day:
            yield _json_lines("promotions", f"tpm/promotions/{as_date(day)}.jsonl", files[day])


def _transitions(company: Company, planted: Planted) -> Iterator[tuple[str, str, bytes, int]]:
    files = defaultdict(list)
    for step in planted.transitions:
        old, new = company.item_codes[step.item], company.item_codes[step.successor]
        files[max(company.first_day, step.effective - 56)].append(f"{old};{new};{_german(step.effective)}")
    for day in sorted(files):
        content = "OLD_MATERIAL;NEW_MATERIAL;EFFECTIVE\n" + "\n".join(files[day]) + "\n"
        yield "item_transitions", f"erp/transitions/{as_date(day)}.csv", content.encode(), len(files[day])


def _json_lines(feed: str, name: str, records: Sequence[Mapping[str, object]]) -> tuple[str, str, bytes, int]:
    content = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return feed, name, content.encode(), len(records)
