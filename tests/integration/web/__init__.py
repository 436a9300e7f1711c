"""The web page and the HTTP interface over real sockets, on both engines."""
