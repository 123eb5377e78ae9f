"""`python -m o9_assets.sandbox.company`: makes the sample company's files in a folder."""

import argparse
import sys
from pathlib import Path

from o9_assets.sandbox.company.generate import generate


def main() -> int:
    """Generate from the command line's arguments and say what was made."""
    parser = argparse.ArgumentParser(prog="python -m o9_assets.sandbox.company", description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="another seed is another company (default: 7)")
    parser.add_argument("--scale", type=float, default=1, help="1 is about 120,000 order lines (default)")
    parser.add_argument("--days", type=int, help="length of the history in days (default: 157 weeks)")
    parser.add_argument("--feeds", nargs="+", help="only these feeds, such as erp_orders (default: all)")
    parser.add_argument("--into", type=Path, required=True, help="folder that takes landing/, late/ and truth.json")
    given = parser.parse_args()
    try:
        truth = generate(given.seed, given.scale, given.into, days=given.days, feeds=given.feeds)
    except ValueError as error:
        parser.error(str(error))
    rows = {feed: count.get("landed_rows", 0) for feed, count in truth.feeds.items()}
    out = sys.stdout
    out.write(f"{truth.object_count:,} objects in {truth.landing}, {truth.first_date} to {truth.last_date}:\n")
    out.writelines(f"  {feed:<24}{count:>12,} rows\n" for feed, count in rows.items())
    out.write(f"{len(truth.late_dates)} late files in {truth.late}; the truth is in {given.into / 'truth.json'}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
