"""What the twin's DataSync is made of: places that it copies from and to, and an execution."""
