"""What the benchmarks compute and show; nothing is measured here."""
