"""The command ``queuectl``: parse, call one verb of the library, show what came of it."""
