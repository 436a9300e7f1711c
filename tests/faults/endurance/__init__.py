"""What takes long: thousands of kills of one daemon after the other, and hours of load with a fault a minute.

``make kill-cycles CYCLES=5000`` and ``make soak MINUTES=60``; ``make test`` tries both for a moment.
"""
