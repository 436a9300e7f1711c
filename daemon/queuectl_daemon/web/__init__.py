"""The web page and the HTTP interface of the daemon, in a thread of their own beside everything that dispatches."""
