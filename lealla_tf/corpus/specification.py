"""Which files a corpus is made of, and the language pair and the format of each."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lealla_tf.errors import DataError, UsageError
from lealla_tf.files import MANIFEST, read_json

FORMATS = ("tsv", "moses", "tmx", "tfds", "shards")
SHARDS_KIND = "lealla-shards"
"""The value of `kind` in the manifest of a directory of prepared shards."""

_SUFFIXES = {".tsv": "tsv", ".txt": "tsv", ".tmx": "tmx"}
# Language, optionally with a script (zh-Hant) and a region (pt-BR).  Case tells a region from
# a second language: `pt-BR` is one language, `fr-de` two.
_TAG = r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?"
_PAIR = re.compile(rf"({_TAG})-({_TAG})")
_BRACES = re.compile(r"([^{}]*)\{([^{},]+),([^{},]+)\}([^{}]*)")
_TFDS = re.compile(
    r"(?P<name>[a-z]\w*(?:/[^:@\[\s]+)?(?::[0-9]+\.[0-9]+\.[0-9]+)?)(?::(?P<split>[^@]+))?(?:@(?P<data_dir>.+))?"
)
_FORMS = (
    "the forms are de=FILE.tsv, de=FILE.tmx (each also .gz; `de` means `en-de`), en-de=NAME.{en,de} or "
    "en-de=FILE.en,FILE.de (source first), de=tfds:NAME/CONFIG[:SPLIT][@DATA_DIR], de=DIRECTORY or DIRECTORY "
    "(shards), and LIST.json."
)


@dataclass(frozen=True)
class CorpusFile:
    """One file, or one pair of aligned files, of one language pair.

    `path` is a file for `tsv` and `tmx`, the source side's file for `moses` (then
    `target_path` is the target side's), a directory for `shards`, and
    `name/config[:version][:split][@data_dir]` for `tfds`.
    """

    language_pair: str
    format: str
    path: str
    target_path: str = ""

    def __post_init__(self) -> None:
        split_language_pair(self.language_pair)
        if self.format not in FORMATS:
            raise ValueError(f"`format` must be one of {', '.join(FORMATS)}. Received: format={self.format!r}.")
        if bool(self.target_path) != (self.format == "moses"):
            raise ValueError(
                "`target_path` belongs to the format moses, and to no other. "
                f"Received: format={self.format!r}, target_path={self.target_path!r}."
            )

    @property
    def name(self) -> str:
        """What a report or an error calls it."""
        if self.format == "tfds":
            return f"tfds:{self.path}"
        return f"{self.path},{self.target_path}" if self.target_path else self.path


def parse_corpus(arguments: Sequence[str]) -> tuple[CorpusFile, ...]:
    """The files named by the values of `--corpus`, in order.

    Args:
        arguments: strings of the forms that an unknown form's error lists.

    Returns:
        One `CorpusFile` per file, or pair of Moses files, and per language pair of a
        directory of shards.  A language pair may have several files.

    Raises:
        UsageError: for an unknown form or language.
        DataError: for a missing file, a directory without shards, or a bad list.
    """
    return tuple(file for argument in arguments for file in _parse_argument(argument))


def split_language_pair(language_pair: str) -> tuple[str, str]:
    """`en-zh-Hant` as `("en", "zh-Hant")`.

    Raises:
        ValueError: if it does not name two different languages.
    """
    match = _PAIR.fullmatch(language_pair)
    if match is None or match[1] == match[2]:
        raise ValueError(
            "A language pair is two different languages, source-target, like en-de, en-zh-Hant or en-pt-BR. "
            f"Received: {language_pair!r}."
        )
    return match[1], match[2]


def languages_of(source: str) -> tuple[str, ...]:
    """The languages of a source of text: the two of a pair like `en-de`, or the one of text like `de`."""
    return split_language_pair(source) if _PAIR.fullmatch(source) else (source,)


def matches_language(tag: str, language: str) -> bool:
    """Whether a file's language tag names `language` or a variety of it: EN, en-US, en_GB for en."""
    tag, language = tag.lower().replace("_", "-"), language.lower()
    return tag == language or tag.startswith(language + "-")


def split_tfds_path(path: str) -> tuple[str, str, str]:
    """`name/config:version:split@data_dir` as (name/config:version, split or `train`, data_dir or "").

    Raises:
        ValueError: if it has another form.
    """
    match = _TFDS.fullmatch(path)
    if match is None:
        raise ValueError(
            "A data set is named as tfds:name/config[:version][:split][@data_dir], like "
            f"tfds:wmt14_translate/de-en:train. Received: {path!r}."
        )
    return match["name"], match["split"] or "train", match["data_dir"] or ""


def _parse_argument(argument: str) -> Iterator[CorpusFile]:
    """The files of one value of `--corpus`."""
    key, separator, value = argument.partition("=")
    if not separator or Path(argument).exists():
        yield from _parse_bare(argument)
    elif not value:
        raise UsageError(f"Nothing stands behind `=` in {argument!r}; {_FORMS}")
    else:
        pair = _language_pair(key)
        try:
            file = _infer(pair, value)
        except ValueError as error:
            raise UsageError(f"In {argument!r}: {error}") from error
        yield _checked(file)


def _parse_bare(argument: str) -> Iterator[CorpusFile]:
    """The files of an argument without a language: a directory of shards or a JSON list."""
    path = Path(argument)
    if path.is_dir():
        for pair in _shard_language_pairs(path):
            yield CorpusFile(pair, "shards", argument)
    elif path.suffix == ".json":
        yield from _parse_list(path)
    elif path.exists():
        raise UsageError(f"{argument!r} does not say its language; {_FORMS}")
    elif not path.suffix and "/" in argument:
        raise DataError(f"{argument}: does not exist; name a directory of shards, or put the language before it.")
    else:
        raise UsageError(f"Unknown corpus {argument!r}; {_FORMS}")


def _language_pair(key: str) -> str:
    """`de` as `en-de`, `fr-de` as it is; `UsageError` for anything else."""
    pair = f"en-{key}" if re.fullmatch(_TAG, key) else key
    try:
        split_language_pair(pair)
    except ValueError as error:
        raise UsageError(f"{error} A single language X means en-X.") from error
    return pair


def _infer(pair: str, value: str) -> CorpusFile:
    """The file that `value` names, its format taken from its form; `ValueError` if it has none."""
    if value.startswith("tfds:"):
        split_tfds_path(value.removeprefix("tfds:"))
        return CorpusFile(pair, "tfds", value.removeprefix("tfds:"))
    braces = _BRACES.fullmatch(value)
    if braces is not None:
        before, source, target, after = braces.groups()
        if (target, source) == split_language_pair(pair):
            raise ValueError(f"the source file comes first: write {{{target},{source}}} for the language pair {pair}.")
        return CorpusFile(pair, "moses", before + source + after, before + target + after)
    path = Path(value)
    if path.is_dir():
        return CorpusFile(pair, "shards", value)
    if value.count(",") == 1 and not path.exists():
        source, target = value.split(",")
        return CorpusFile(pair, "moses", source, target)
    suffix = Path(value.removesuffix(".gz")).suffix
    if suffix in _SUFFIXES:
        return CorpusFile(pair, _SUFFIXES[suffix], value)
    raise ValueError(f"{value!r} has no form that says its format; {_FORMS}")


def _checked(file: CorpusFile) -> CorpusFile:
    """`file`, if what it names exists; `DataError` otherwise."""
    if file.format == "shards":
        pairs = _shard_language_pairs(Path(file.path))
        if file.language_pair not in pairs:
            raise DataError(f"{file.path}: holds no {file.language_pair}; its language pairs are {', '.join(pairs)}.")
    elif file.format != "tfds":
        for path in (file.path, file.target_path) if file.target_path else (file.path,):
            if not Path(path).exists():
                raise DataError(f"{path}: does not exist; name an existing file for {file.language_pair}.")
            if Path(path).is_dir():
                raise DataError(f"{path}: is a directory; name a file for {file.language_pair}.")
    return file


def _shard_language_pairs(directory: Path) -> list[str]:
    """The language pairs of a directory of shards, from its manifest."""
    if not directory.is_dir():
        raise DataError(f"{directory}: is no directory; shards are the directory that `lealla prepare` wrote.")
    path = directory / MANIFEST
    if not path.is_file():
        raise DataError(
            f"{directory}: is a directory without {MANIFEST}; name a file, or a directory that `lealla prepare` wrote."
        )
    manifest = read_json(path)
    kind = manifest.get("kind") if isinstance(manifest, dict) else None
    if kind != SHARDS_KIND:
        raise DataError(f"{path}: says kind {kind!r}, not {SHARDS_KIND!r}; name one that `lealla prepare` wrote.")
    pairs = manifest.get("language_pairs")
    if not isinstance(pairs, dict) or not pairs:
        raise DataError(f"{path}: names no language pairs; write the shards again with `lealla prepare`.")
    return list(pairs)


def _parse_list(path: Path) -> Iterator[CorpusFile]:
    """The files of a JSON list; relative paths are relative to the list."""
    entries = read_json(path)
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{path}: must be a non-empty list of objects with language_pair and path.")
    for number, entry in enumerate(entries, 1):
        try:
            yield _checked(_parse_entry(entry, path.parent))
        except (ValueError, UsageError) as error:
            raise DataError(f"{path}: entry {number}: {error}") from error


def _parse_entry(entry: Any, directory: Path) -> CorpusFile:
    """One object of a JSON list as a `CorpusFile`; `ValueError` or `UsageError` for a bad one."""
    names = ("language_pair", "path", "target_path", "format")
    if not isinstance(entry, Mapping) or not {"language_pair", "path"} <= set(entry) <= set(names):
        raise ValueError(f"must be an object of language_pair, path and, if wanted, target_path, format: {entry!r}.")
    if not all(isinstance(value, str) for value in entry.values()):
        raise ValueError(f"the values must be strings: {entry!r}.")
    pair, path = _language_pair(entry["language_pair"]), entry["path"]
    kind, target = entry.get("format", ""), entry.get("target_path", "")
    if kind == "tfds" or path.startswith("tfds:"):
        file = _infer(pair, "tfds:" + path.removeprefix("tfds:"))
    elif target:
        file = CorpusFile(pair, "moses", str(directory / path), str(directory / target))
    elif kind in ("tsv", "tmx", "shards"):  # a named format makes any file name good
        file = CorpusFile(pair, kind, str(directory / path))
    else:
        file = _infer(pair, str(directory / path))
    if kind and kind != file.format:
        raise ValueError(f"the format {kind!r} does not fit the path, which is of the format {file.format}: {entry!r}.")
    return file
