"""The sample company: files as a consumer-goods company's systems would drop them, made from a seed, with planted
truths that tests recover. docs/sample_company.md says what is in it.

    python -m o9_assets.sandbox.company --seed 7 --scale 1 --into folder
"""

from o9_assets.sandbox.company.days import LAST_DAY
from o9_assets.sandbox.company.generate import generate
from o9_assets.sandbox.company.truth import Truth

__all__ = ["LAST_DAY", "Truth", "generate"]
