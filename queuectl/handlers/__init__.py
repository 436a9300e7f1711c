"""What a task does: the contract of a handler, the built-in article handler, commands and functions."""
