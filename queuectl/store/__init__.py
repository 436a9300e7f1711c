"""All SQL and nothing but SQL: rows never leave this package, its functions return plain data."""
