"""Entry points that AWS Lambda runs: each is a few lines around a room's own code. No Dagster."""
