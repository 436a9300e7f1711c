"""Units for systemd: what is in them for this installation, and putting them in their place."""
