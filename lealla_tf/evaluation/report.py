"""What every benchmark gives: a table for the terminal, JSON for programs, a picture."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lealla_tf


@dataclass(frozen=True, kw_only=True)
class EvaluatedModel:
    """What a report says of the model; `fingerprint` tells two models of one name apart."""

    name: str
    fingerprint: str
    dim: int
    num_parameters: int | None = None
    preprocessor: str = ""
    trained_languages: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One line: name, number of parameters if known, width of the embedding."""
        parameters = "" if self.num_parameters is None else f", {self.num_parameters / 1e6:,.1f}M parameters"
        return f"{self.name}{parameters}, {self.dim} dimensions"


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a benchmark, whatever it measures.

    Args:
        benchmark: Its name on the command line, in keys and of files.
        title: What the table shows, in what unit.
        lines: The table.
        data: What tells that two results are of the same data: checksums and counts.
        metrics: Numbers by key, such as `bucc/de-en/f1`; shares are fractions.
        details: What else belongs to the result, such as the settings.
        draw: Draws it into a PNG file, under a title; `None` if there is nothing to see.
    """

    benchmark: str
    title: str
    lines: tuple[str, ...]
    data: Mapping[str, Any]
    metrics: Mapping[str, float]
    details: Mapping[str, Any] = field(default_factory=dict)
    draw: Callable[[Path, str], None] | None = None

    def text(self, model: EvaluatedModel) -> str:
        """The table under the title and the model."""
        heading = (self.title, f"Model: {model.summary}", f"       fingerprint {model.fingerprint}", "")
        return "\n".join((*heading, *self.lines)) + "\n"

    def values(self, model: EvaluatedModel) -> dict[str, Any]:
        """The result as JSON values; the same model and data give the same values, so no date."""
        return {
            "benchmark": self.benchmark,
            "lealla_tf": lealla_tf.__version__,
            "model": {**dataclasses.asdict(model), "trained_languages": sorted(model.trained_languages)},
            "data": dict(self.data),
            **self.details,
            "metrics": dict(self.metrics),
        }
