"""The shapes of JSON, for the command line and for HTTP: a contract in which fields are only ever added.

Times are ISO 8601 in UTC.
"""
