"""The daemon: takes due tasks from the database, has them run, and records what became of them."""
