"""The pictures of the README, drawn from the real commands."""
