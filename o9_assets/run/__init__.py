"""The platform from a terminal: `python -m o9_assets run` does what `make run` promises."""
