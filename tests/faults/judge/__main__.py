"""Judge a folder of histories: ``python -m tests.faults.judge FOLDER``; the status is 1 if a promise was broken."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.faults.judge import judge, read_folder, sentence


def main(arguments: list[str]) -> int:
    """Read, judge, and say it."""
    if len(arguments) != 1 or not (Path(arguments[0]) / "facts.json").is_file():
        sys.stderr.write("give the folder of one run: python -m tests.faults.judge FOLDER\n")
        return 2
    histories = read_folder(Path(arguments[0]))
    judgement = judge(histories)
    sys.stdout.write(sentence(judgement, histories) + "\n")
    return 1 if judgement.breaches else 0


sys.exit(main(sys.argv[1:]))
