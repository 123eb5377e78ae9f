"""An o9 of our own: the contract profiles' other side, so that the platform can be run and tested without a tenant."""

from o9_assets.sandbox.o9.app import build_app
from o9_assets.sandbox.o9.store import Store

__all__ = ["Store", "build_app"]
