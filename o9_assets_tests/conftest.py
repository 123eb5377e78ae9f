"""Fixtures that every test may ask for."""

from o9_assets_tests.aws import shared_twin, twin

__all__ = ["shared_twin", "twin"]
