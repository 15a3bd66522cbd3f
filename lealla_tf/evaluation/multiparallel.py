"""Multiparallel test sets, such as FLORES and NTREX: the same sentences in many languages, a file each."""

import os
import re
import tempfile
from collections.abc import Collection
from pathlib import Path

from lealla_tf.corpus.sentences import check_aligned, open_sentences
from lealla_tf.errors import DataError, UsageError

# deu_Latn.devtest of FLORES, newstest2019-ref.deu.txt and newstest2019-src.eng.txt of NTREX, deu.txt, deu
_FILE = re.compile(
    r"(?:newstest\d+-(?:ref|src)\.)?(?P<language>[a-z]{2,3}(?:[_-][A-Za-z0-9]+)*)(?P<part>\.[a-z]\w*)?(?:\.gz)?"
)


def find_languages(data_dir: str | os.PathLike[str], languages: Collection[str] | None = None) -> dict[str, Path]:
    """The file of each language, sorted by code.

    Args:
        data_dir: The directory of the files; what is not named for a language is left out.
        languages: Which; all that are there if None.

    Raises:
        DataError: if there are not two languages, one has two files, or the files are of
            several parts, such as `.dev` and `.devtest`.
        UsageError: if one of `languages` is not there, or only one is named.
    """
    directory = Path(data_dir)
    if not directory.is_dir():
        raise DataError(f"{directory}: is not a directory; name the one with a file for each language.")
    found: dict[str, Path] = {}
    parts = set()
    for path in sorted(directory.iterdir()):
        match = _FILE.fullmatch(path.name)
        if match is None or not path.is_file():
            continue
        if match["language"] in found:
            other = found[match["language"]].name
            raise DataError(f"{path}: is a second file of {match['language']}, besides {other}; keep one of them.")
        found[match["language"]] = path
        parts.add(match["part"])
    if len(parts) > 1:
        names = ", ".join(sorted(str(part) for part in parts))
        raise DataError(f"{directory}: holds several parts ({names}); keep the files of one in a directory of its own.")
    if len(found) < 2:
        raise DataError(f"{directory}: must hold files of two languages, such as deu.txt. Found: {len(found)}.")
    chosen = sorted(found) if languages is None else sorted(set(languages))
    if unknown := [code for code in chosen if code not in found]:
        raise UsageError(f"No file for {', '.join(unknown)} in {directory}. There: {', '.join(sorted(found))}.")
    if len(chosen) < 2:
        raise UsageError(f"Languages are compared with each other; name two of them. Received: {', '.join(chosen)}.")
    return {code: found[code] for code in chosen}


def read_languages(paths: dict[str, Path]) -> dict[str, list[str]]:
    """The sentences of each language; line n of all files means the same.

    Raises:
        DataError: if a file cannot be read, has a blank line, or another number of lines than the first.
    """
    texts = {}
    with tempfile.TemporaryDirectory(prefix="lealla-") as scratch:
        for code, path in paths.items():
            texts[code] = list(open_sentences(path, scratch))
            if "" in texts[code]:
                raise DataError(f"{path}:{1 + texts[code].index('')}: is blank; every line must hold a sentence.")
    check_aligned(*((paths[code], text) for code, text in texts.items()))
    return texts
