"""Fixtures that every test may ask for."""

from o9_assets_tests.aws import shared_twin, twin
from o9_assets_tests.postgres import cluster, database

__all__ = ["cluster", "database", "shared_twin", "twin"]
