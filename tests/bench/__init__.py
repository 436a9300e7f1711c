"""The benchmark: what queuectl is held to, measured on real servers beside its peers in one run."""
