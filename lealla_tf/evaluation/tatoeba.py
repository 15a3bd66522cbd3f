"""The Tatoeba benchmark: up to 1,000 pairs with English in each of 112 languages.

A sentence is found if its translation is the nearest of all sentences on the other side.
"""

import codecs
import hashlib
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lealla_tf.errors import DataError, UsageError
from lealla_tf.evaluation.embedding import EmbedFunction, embed_checked
from lealla_tf.evaluation.languages import GROUPS, is_trained
from lealla_tf.evaluation.scores import LanguageScore, Result, group_scores
from lealla_tf.files import sha256
from lealla_tf.retrieval import precision_at_1

# Called after each language with its score, the sentences embedded so far, and those of the whole run.
Progress = Callable[[LanguageScore, int, int], None]

_FILE = re.compile(r"tatoeba\.(?P<code>[a-z]{3})-eng\.(?P<side>[a-z]{3})")


class Pairs(NamedTuple):
    """Aligned sentences of a language (the source) and of English (the target)."""

    source: list[str]
    target: list[str]


def evaluate_tatoeba(
    embed: EmbedFunction,
    data_dir: str | os.PathLike[str],
    languages: Collection[str] | None = None,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    trained_languages: Collection[str] = (),
    progress: Progress | None = None,
) -> Result:
    """Precision at 1 in both directions for every language of the benchmark.

    All files are read before the first sentence is embedded, so that a broken one shows at
    once.  A language is embedded with one call of `embed` a side: embedding every distinct
    sentence of the benchmark once would save 11 % (158,078 of 177,754 are distinct, and
    within a language all are) and hold all embeddings in memory.

    Args:
        embed: function from sentences to floats of shape `(count, dim)`, rows of unit length.
        data_dir: directory with `tatoeba.<code>-eng.<code>` and `tatoeba.<code>-eng.eng`,
            aligned line by line, for any of the languages.
        languages: ISO 639-3 codes to evaluate; all that are there if None.
        groups: further groups to average over, name -> codes, besides "14", "36" and "all".
        trained_languages: languages of the training pairs, by their two-letter codes as in
            "de"; those of the benchmark that are absent from them are marked.
        progress: called after each language.

    Raises:
        DataError: if a file is missing, empty, not UTF-8, has a blank line or is not aligned.
        UsageError: if one of `languages` is not there.
        EmbeddingError: if `embed` does not return one unit vector a sentence.
        ValueError: if one of `groups` is empty or its name is taken.

    Reference: LaBSE (arXiv 2007.01852), section 4.2; LEALLA (arXiv 2302.08387), section 4.1.
    """
    if taken := set(GROUPS) & set(groups or {}):
        raise ValueError(f"A group must not be called {', '.join(sorted(GROUPS))}. Received: {sorted(taken)}.")
    benchmark = read_benchmark(data_dir, languages)
    total = sum(2 * len(pairs.source) for pairs in benchmark.values())
    done = 0
    scores = []
    for code, pairs in benchmark.items():
        forward, backward = precision_at_1(embed_checked(embed, pairs.source), embed_checked(embed, pairs.target))
        score = LanguageScore(
            code=code,
            pairs=len(pairs.source),
            source_to_target=forward,
            target_to_source=backward,
            trained=is_trained(code, trained_languages),
        )
        scores.append(score)
        done += 2 * len(pairs.source)
        if progress is not None:
            progress(score, done, total)
    return Result(
        benchmark="tatoeba",
        scores=tuple(scores),
        groups=group_scores(scores, {**GROUPS, **(groups or {})}),
        checksum=checksum(data_dir, benchmark),
    )


def read_benchmark(data_dir: str | os.PathLike[str], languages: Collection[str] | None = None) -> dict[str, Pairs]:
    """The pairs of the benchmark by language, sorted by code; errors as in `evaluate_tatoeba`."""
    directory = Path(data_dir)
    if not directory.is_dir():
        raise DataError(f"{directory}: is not a directory; name the one with tatoeba.<code>-eng.<code> files.")
    matches = [match for path in directory.iterdir() if (match := _FILE.fullmatch(path.name))]
    present = sorted({match["code"] for match in matches if match["side"] in (match["code"], "eng")})
    if not present:
        raise DataError(f"{directory}: holds no tatoeba.<code>-eng.<code> file; name the benchmark's directory.")
    codes = present if languages is None else sorted(set(languages))
    if unknown := [code for code in codes if code not in present]:
        raise UsageError(f"No Tatoeba files for {', '.join(unknown)} in {directory}. There: {', '.join(present)}.")
    if not codes:
        raise UsageError("No language to evaluate on Tatoeba. Name some by their ISO 639-3 codes, such as deu.")
    return {code: _read_pairs(directory, code) for code in codes}


def checksum(data_dir: str | os.PathLike[str], languages: Collection[str]) -> str:
    """SHA-256 over the names and contents of the files of `languages`, in hexadecimal digits."""
    digest = hashlib.sha256()
    for code in sorted(languages):
        for path in _paths(Path(data_dir), code):
            digest.update(f"{sha256(path)}  {path.name}\n".encode())
    return digest.hexdigest()


def _paths(directory: Path, code: str) -> tuple[Path, Path]:
    """The files of a language and of its English side."""
    return directory / f"tatoeba.{code}-eng.{code}", directory / f"tatoeba.{code}-eng.eng"


def _read_pairs(directory: Path, code: str) -> Pairs:
    """The aligned sentences of one language."""
    source_path, target_path = _paths(directory, code)
    for path, partner in ((source_path, target_path), (target_path, source_path)):
        if not path.is_file():
            raise DataError(f"{path}: is missing, but {partner.name} is there; add it, or remove the other.")
    pairs = Pairs(_read_sentences(source_path), _read_sentences(target_path))
    if len(pairs.source) != len(pairs.target):
        last = 1 + min(len(pairs.source), len(pairs.target))
        longer = max((pairs.source, source_path), (pairs.target, target_path), key=lambda side: len(side[0]))[1]
        raise DataError(
            f"{longer}:{last}: has no partner: {source_path.name} has {len(pairs.source)} lines and "
            f"{target_path.name} {len(pairs.target)}; line n of one must translate line n of the other."
        )
    return pairs


def _read_sentences(path: Path) -> list[str]:
    """The lines of a file; only line feeds end them, as sentences may hold other separators."""
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise DataError(f"{path}:{line}: is not UTF-8 text; convert the file to UTF-8.") from error
    if not text.strip():
        raise DataError(f"{path}: is empty; fetch the file again.")
    sentences = [line.strip() for line in text.removesuffix("\n").split("\n")]
    if "" in sentences:
        raise DataError(f"{path}:{1 + sentences.index('')}: is blank; every line must hold a sentence.")
    return sentences
