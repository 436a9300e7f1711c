"""``python -m queuectl`` does what the command ``queuectl`` does."""

from __future__ import annotations

import sys

from queuectl.cli.app import main

sys.exit(main())
