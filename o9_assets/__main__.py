"""`python -m o9_assets`: the command line."""

from o9_assets.run.command import main

if __name__ == "__main__":
    raise SystemExit(main())
