"""What came out of a run: kept as JSON with every round's sample, and read again for the table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.peers.arithmetic import Losses, middle, proportion
from tests.bench.peers.columns import COLUMNS
from tests.bench.peers.contenders import BASE, Contender

KEPT = "peers-"


@dataclass(slots=True)
class Record:
    """What is known of one contender. A round that brought no sample of a column has None there."""

    title: str
    peer: str
    settings: str
    versions: str = ""
    samples: dict[str, list[float | None]] = field(default_factory=dict)
    disasters: dict[str, Losses] = field(default_factory=dict)
    cannot: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, contender: Contender, versions: str = "") -> Record:
        """Return an empty record."""
        return cls(contender.title, contender.peer, contender.settings, versions)

    @property
    def name(self) -> str:
        """The contender's name."""
        return f"{self.title}, {self.settings}"

    def note_round(self, samples: Mapping[str, float]) -> None:
        """Add a round's samples."""
        for column in COLUMNS:
            self.samples.setdefault(column.key, []).append(samples.get(column.key))

    def value(self, key: str) -> float | None:
        """Return the median of a column over the rounds."""
        return middle(self.samples.get(key, []))


@dataclass(frozen=True, slots=True)
class Results:
    """A whole run: the machine and what the settings mean, and a record for each contender."""

    measured_at: str
    machine: Mapping[str, Any]
    records: Sequence[Record]

    def proportion(self, record: Record, key: str) -> float | None:
        """Return how many times a contender's figure is that of bare Dramatiq with its fast settings."""
        base = next((each for each in self.records if each.name == BASE.name), None)
        if base is None or base is record:
            return None
        return proportion(record.samples.get(key, []), base.samples.get(key, []))

    def keep(self, folder: Path) -> Path:
        """Write everything to a new file in ``folder`` and return it."""
        folder.mkdir(exist_ok=True)
        content = {
            "measured_at": self.measured_at,
            "machine": dict(self.machine),
            "records": [
                asdict(record)
                | {
                    "medians": {column.key: record.value(column.key) for column in COLUMNS},
                    "against_bare_dramatiq": {
                        column.key: self.proportion(record, column.key) for column in COLUMNS
                    },
                }
                for record in self.records
            ],
        }
        stamp = datetime.fromisoformat(self.measured_at).astimezone(UTC)
        file = folder / f"{KEPT}{stamp:%Y%m%dT%H%M%SZ}.json"
        file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        return file


def read(file: Path) -> Results:
    """Read what ``keep`` wrote.

    Raises:
        ValueError: It is no such file.
    """
    try:
        content = json.loads(file.read_text())
        names = Record.__dataclass_fields__
        records = []
        for each in content["records"]:
            known = {name: value for name, value in each.items() if name in names}
            known["disasters"] = {name: Losses(**value) for name, value in each["disasters"].items()}
            records.append(Record(**known))
        return Results(content["measured_at"], content["machine"], records)
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} does not hold the results of a run beside the peers: {error!r}") from None


def newest(folder: Path) -> Path:
    """Return the latest kept file.

    Raises:
        ValueError: There is none.
    """
    files = sorted(folder.glob(f"{KEPT}*.json"))
    if not files:
        raise ValueError("nothing is kept yet; measure first: make bench-peers")
    return files[-1]
