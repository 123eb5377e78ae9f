"""What AppFlow does when a flow runs: pull over HTTP, map, write objects."""
