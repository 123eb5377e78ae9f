"""What the twin's DMS is made of: databases that it reads, files that it writes, and a task's run."""
