"""Bundled sample articles and the small local site that serves them for the demonstration."""
