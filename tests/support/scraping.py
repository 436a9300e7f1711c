"""Scrape a daemon as Prometheus does, and read what it says."""

from __future__ import annotations

import base64
import urllib.request
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.support.daemon import Installation
from tests.support.ports import free_port

USER, PASSWORD = "ann", "a password of many words"

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Scrape:
    """What a daemon answered: its text, and the samples by name and labels."""

    text: str
    samples: dict[tuple[str, Labels], float]

    def value(self, name: str, **labels: str) -> float:
        """Return the one sample of this name and labels."""
        return self.samples[name, tuple(sorted(labels.items()))]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of all samples of this name that have these labels."""
        wanted = set(labels.items())
        return sum(
            value for (found, has), value in self.samples.items() if found == name and wanted <= set(has)
        )

    def labels_of(self, name: str) -> set[str]:
        """Return the names of the labels that a metric has."""
        return {label for found, labels in self.samples if found == name for label, _ in labels}

    @property
    def names(self) -> set[str]:
        """The names of all samples."""
        return {name for name, _ in self.samples}


def read(text: str) -> Scrape:
    """Read Prometheus's text format."""
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return Scrape(text, samples)


def web_settings(**settings: Any) -> dict[str, Any]:
    """Return settings for an installation that can be scraped."""
    return {"web_port": free_port(), "web_required": True, "web_auth": f"{USER}:{PASSWORD}"} | settings


def scrape(site: Installation) -> Scrape:
    """Scrape the daemon of an installation."""
    request = urllib.request.Request(f"http://127.0.0.1:{site.settings.web_port}/metrics")
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    request.add_header("Authorization", f"Basic {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return read(answer.read().decode())
