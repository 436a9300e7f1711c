"""The numbered steps from an empty database to the present schema; a released step never changes."""
