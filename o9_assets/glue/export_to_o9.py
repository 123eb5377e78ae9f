"""AWS Glue (Python shell): sends the batches of cells below a prefix of S3 to o9, those without a receipt.

    python export_to_o9.py --BATCHES s3://bucket/batches --RECEIPTS s3://bucket/receipts \
        --SETTINGS planning.yaml --O9_BASE_URL https://tenant.o9.example.com

Glue gives a job's arguments as `--NAME value`, its own among them; this script runs the same way on any machine.
Secrets stand in the environment, or in Secrets Manager under the name that --SECRETS gives (a JSON object).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence

from o9_assets.exchange.batch import BatchReport, send_object
from o9_assets.lambdas import environment
from o9_assets.resources import aws
from o9_assets.resources.spills import spill_folder

__all__ = ["main", "run"]

log = logging.getLogger("o9_assets.glue")
NEEDED = ("BATCHES", "RECEIPTS", "SETTINGS")


def run(arguments: Sequence[str]) -> list[BatchReport]:
    """Send what has no receipt yet; returns what became of each object. Raises what o9 answers, and Permanent."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in NEEDED:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--O9_BASE_URL", default="", help="o9's address, where the contract profile does not say it")
    parser.add_argument("--SECRETS")
    given, _ = parser.parse_known_args(list(arguments))  # Glue adds arguments of its own
    os.environ.update({"O9_PLANNING": given.SETTINGS, "BATCHES": given.BATCHES, "RECEIPTS": given.RECEIPTS})
    if given.O9_BASE_URL:
        os.environ["O9_BASE_URL"] = given.O9_BASE_URL
    if given.SECRETS:
        text = aws.client("secretsmanager").get_secret_value(SecretId=given.SECRETS)["SecretString"]
        os.environ.update({str(name): str(value) for name, value in json.loads(text).items()})
    settings = environment.settings()
    batches, receipts = environment.zone("BATCHES"), environment.zone("RECEIPTS")
    known = {found.name: found.modified_at for found in receipts.list()}
    reports = []
    with spill_folder() as folder, environment.o9(settings) as o9:
        for found in batches.list():
            sent_at = known.get(f"{found.name}.{found.version}.receipt.json")
            # What was put back after another version has the receipt of before, and is sent again.
            if sent_at is not None and sent_at >= found.modified_at:
                continue
            reports.append(
                send_object(
                    settings,
                    found,
                    zone=batches,
                    receipts=receipts,
                    engine=environment.engine(),
                    client=o9,
                    folder=folder,
                    progress=log.info,
                )
            )
    return reports


def main() -> None:
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    log.setLevel(logging.INFO)
    for report in run(sys.argv[1:]):
        log.info("%s", report)


if __name__ == "__main__":
    main()
