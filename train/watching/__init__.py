"""What is seen of a run while it goes on: guards, the log, progress, what is kept of one that is stopped."""
