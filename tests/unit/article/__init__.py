"""The parts of the article handler that need no network and no disk."""
