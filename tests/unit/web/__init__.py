"""The parts of the web page that need no server."""
