"""Whether numbers agree from the file that landed to what o9 holds and gives back, stage by stage."""

from o9_assets.exchange.reconciliation.run import Inputs, reconcile
from o9_assets.exchange.reconciliation.tables import BREAKS, RECONCILIATION

__all__ = ["BREAKS", "RECONCILIATION", "Inputs", "reconcile"]
