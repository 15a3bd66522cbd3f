"""Which sentence pairs are kept, why the others are not, and the table that says so."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from lealla_tf.config import FilterConfig
from lealla_tf.corpus.scripts import ScriptCheck
from lealla_tf.corpus.specification import split_language_pair

Pair = tuple[str, str]
"""A source sentence and its target sentence."""

Malformed = Callable[[str, str], None]
"""What a reader calls with a reason and a place (`path:line`) when it skips something."""

MALFORMED = (
    "no_tab",
    "extra_tabs",
    "not_utf8",
    "nul_byte",
    "line_too_long",
    "missing_language",
    "unknown_entity",
)
"""Reasons for which the reader skips what it reads; the place of the first is kept."""

REASONS = (*MALFORMED, "empty", "too_long", "length_ratio", "identical", "wrong_script", "duplicate")
"""All reasons for which a pair is not kept, in the order in which they are tried."""

# Added to both lengths before they are divided: a short sentence may double by one word.
_RATIO_OFFSET = 10
_BLOCK = 4096


@dataclass
class FileReport:
    """How many pairs of one file were kept, and how many dropped for each reason.

    `first` holds, for each reason of `MALFORMED` that occurred, the place (`path:line`)
    where it occurred first.
    """

    name: str
    language_pair: str = ""
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def drop_malformed(self, reason: str, place: str) -> None:
        """Counts one skipped line or unit, and keeps its place if it is the first."""
        self.dropped[reason] += 1
        self.first.setdefault(reason, place)


class PairFilter:
    """Drops pairs that teach nothing, and counts them by reason.

    A pair is dropped as `empty` (a side without text), `too_long`, `length_ratio`
    ((a + 10) / (b + 10) above the limit for the longer side's length a and the shorter
    side's b), `identical` (source equals target), `wrong_script`, or `duplicate` (the same
    pair came before in the same language pair, from whatever file).  One filter serves
    all files of a corpus: it remembers a 64-bit hash of each kept pair, 70 to 100 bytes a
    pair in a Python set.  Among n pairs of a language, about n**2 / 2**65 are mistaken for
    duplicates: less than one in a corpus of four billion.

    Args:
        config: the limits; 0 or False switches one off.
    """

    def __init__(self, config: FilterConfig) -> None:
        self._config = config
        self._seen: dict[str, set[int]] = {}
        self._scripts: dict[str, ScriptCheck] = {}

    def filter(self, pairs: Iterable[Pair], language_pair: str, report: FileReport) -> Iterator[Pair]:
        """Yields the pairs that are kept, in order, and counts in `report`."""
        pairs = iter(pairs)
        while block := list(islice(pairs, _BLOCK)):
            yield from self.filter_block(block, language_pair, report)

    def filter_block(self, pairs: Sequence[Pair], language_pair: str, report: FileReport) -> list[Pair]:
        """The pairs that are kept, in order; counts in `report`.  The fast way for lists.

        Args:
            pairs: stripped sentences, as `read_blocks` gives them.
            language_pair: like `en-de`; duplicates are sought within it.
            report: the file's counts, which are added to.

        Returns:
            The pairs that no rule drops.
        """
        kept = self._within_limits(pairs, report.dropped)
        if self._config.script:
            kept = self._in_script(kept, language_pair, report.dropped)
        if self._config.duplicates:
            kept = self._first_seen(kept, language_pair, report.dropped)
        report.kept += len(kept)
        return kept

    def _within_limits(self, pairs: Sequence[Pair], dropped: Counter[str]) -> list[Pair]:
        """The pairs that pass the rules on lengths and equality: one pass of cheap tests."""
        maximum = self._config.max_characters or float("inf")
        ratio = self._config.max_length_ratio or float("inf")
        identical = self._config.identical
        kept: list[Pair] = []
        keep = kept.append
        for pair in pairs:
            source, target = pair
            a, b = len(source), len(target)
            if not a or not b:
                dropped["empty"] += 1
            elif a > maximum or b > maximum:
                dropped["too_long"] += 1
            elif a + _RATIO_OFFSET > ratio * (b + _RATIO_OFFSET) or b + _RATIO_OFFSET > ratio * (a + _RATIO_OFFSET):
                dropped["length_ratio"] += 1
            elif identical and source == target:
                dropped["identical"] += 1
            else:
                keep(pair)
        return kept

    def _in_script(self, pairs: list[Pair], language_pair: str, dropped: Counter[str]) -> list[Pair]:
        """The pairs both of whose sides are in a script of their language."""
        source_language, target_language = split_language_pair(language_pair)
        is_source = self._check(source_language)
        is_target = self._check(target_language)
        kept = [pair for pair in pairs if is_source(pair[0]) and is_target(pair[1])]
        if len(kept) < len(pairs):
            dropped["wrong_script"] += len(pairs) - len(kept)
        return kept

    def _first_seen(self, pairs: list[Pair], language_pair: str, dropped: Counter[str]) -> list[Pair]:
        """The pairs that did not come before in this language pair."""
        seen = self._seen.setdefault(language_pair, set())
        kept = []
        for pair in pairs:
            value = hash(pair)  # 64 bits, of a tuple of strings
            if value not in seen:
                seen.add(value)
                kept.append(pair)
        if len(kept) < len(pairs):
            dropped["duplicate"] += len(pairs) - len(kept)
        return kept

    def _check(self, language: str) -> ScriptCheck:
        """The script check of one language, made once."""
        if language not in self._scripts:
            self._scripts[language] = ScriptCheck(language)
        return self._scripts[language]


def nothing_left(reports: Sequence[FileReport]) -> str:
    """Why no pair of these files is kept, in a line: each reason, and where it is met first."""
    total = sum((report.dropped for report in reports), Counter[str]())
    first: dict[str, str] = {}
    for report in reports:
        first = {**report.first, **first}
    reasons = [
        f"{count:,} {reason}" + (f", the first at {first[reason]}" if reason in first else "")
        for reason, count in total.most_common()
    ]
    pairs = ", ".join(dict.fromkeys(report.language_pair for report in reports))
    remedy = "loosen the filters" if total.keys() - {*MALFORMED, "empty"} else "mend the text"
    return f"No pair of {pairs} is left (dropped: {'; '.join(reasons) or 'none was read'}); {remedy}."


def report_table(reports: Sequence[FileReport]) -> str:
    """The reports as an aligned table: a row per file, a total, first places beneath.

    Args:
        reports: one per file, in the order of the rows.

    Returns:
        Lines of text, the last without a newline.  Columns: the file, its language pair,
        kept, dropped, then each reason that occurred.
    """
    total = FileReport("total")
    for report in reports:
        total.kept += report.kept
        total.dropped.update(report.dropped)
    reasons = [reason for reason in REASONS if total.dropped[reason]]
    rows = [["file", "pair", "kept", "dropped", *reasons]]
    for report in (*reports, total):
        counts = [report.kept, sum(report.dropped.values()), *(report.dropped[reason] for reason in reasons)]
        rows.append([report.name, report.language_pair, *(f"{count:,}" for count in counts)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        text = [cell.ljust(width) for cell, width in zip(row[:2], widths, strict=False)]
        numbers = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join(text + numbers))
    for report in reports:
        lines.extend(f"first {reason}: {place}" for reason, place in report.first.items())
    return "\n".join(lines)
