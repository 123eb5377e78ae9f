"""Movers: AWS services that bring source data into the landing zone, behind one interface (see mover.py)."""
