"""The measures, one a module; each is listed in ``catalogue`` and run by ``tests.bench``."""
