"""Entry points that AWS Glue runs: each is a few lines around a room's own code. No Dagster."""
