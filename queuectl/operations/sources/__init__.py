"""Where the URLs of a schedule come from: a file or an address, read as a list, a JSON array or a feed."""
