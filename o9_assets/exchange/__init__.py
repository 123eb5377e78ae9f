"""The exchange with o9: what to send, that it is sent once, and that it arrived. No Dagster."""
