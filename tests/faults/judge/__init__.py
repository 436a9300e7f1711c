"""The judge: says from three independent histories of one run whether the promises were kept.

It knows nothing of queuectl: it reads what submitters were told, what an outside witness saw of the handlers, and
plain columns of the tables, from a folder or from memory, and names what contradicts what. ``python -m
tests.faults.judge FOLDER`` judges a folder; ``judge(histories)`` does the same in a program.
"""

from tests.faults.judge.court import Judgement, judge, sentence
from tests.faults.judge.histories import Breach, Histories, read_folder, write_folder

__all__ = ["Breach", "Histories", "Judgement", "judge", "read_folder", "sentence", "write_folder"]
