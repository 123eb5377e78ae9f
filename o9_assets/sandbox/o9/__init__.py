"""An o9 of our own: the contract profiles' other side, so that the platform can be run and tested without a tenant."""

from o9_assets.sandbox.o9.app import KEY, build_app, secret
from o9_assets.sandbox.o9.faults import Faults
from o9_assets.sandbox.o9.plan import folder_drop
from o9_assets.sandbox.o9.store import Store

__all__ = ["KEY", "Faults", "Store", "build_app", "folder_drop", "secret"]
