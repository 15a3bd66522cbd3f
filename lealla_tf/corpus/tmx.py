"""Translation memories (TMX 1.4) as sentence pairs, read as a stream by a hardened parser."""

import xml.sax
import xml.sax.handler
from collections.abc import Callable, Iterator
from typing import Any

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import create_parser

from lealla_tf.corpus.filtering import Malformed, Pair
from lealla_tf.corpus.lines import MAX_LINE, read_chunks
from lealla_tf.corpus.specification import matches_language, split_language_pair
from lealla_tf.errors import DataError

# Inline elements whose text is formatting code of the original document, not language.
# <hi> is no code, and neither is what other inline elements hold.
_CODES = frozenset(("bpt", "ept", "it", "ph", "ut"))


def read_tmx(path: str, language_pair: str, malformed: Malformed) -> Iterator[list[Pair]]:
    """Yields the pairs of a translation memory, one list per piece of the file read.

    Of each unit, the first variant in either language counts; the languages match as
    `matches_language` says.  A segment is its text without the inline codes, white space
    runs being one space.  The document is never held in memory.

    Args:
        path: a file, plain or gzipped, in any encoding that it declares and expat knows.
        language_pair: like `en-de`.
        malformed: called with a reason and the place of a unit that is skipped.

    Raises:
        DataError: if the file cannot be read, is not well-formed, is not TMX, has no unit,
            or declares entities, which could make it expand without bound or read files.
    """
    # A document type is allowed, as most TMX files name one; its file is never read, since
    # the parser's feature of external entities is off.  Entities are refused as declared.
    parser = create_parser(forbid_dtd=False, forbid_entities=True, forbid_external=False)
    handler = _Units(path, language_pair, malformed, parser.getLineNumber)
    parser.setContentHandler(handler)
    try:
        for chunk in read_chunks(path):
            parser.feed(chunk)
            yield handler.take()
        parser.close()
        yield handler.take()
    except xml.sax.SAXParseException as error:
        line, what = error.getLineNumber(), error.getMessage()
        raise DataError(f"{path}:{line}: is not well-formed XML ({what}); repair it or export it again.") from error
    except DefusedXmlException as error:
        raise DataError(
            f"{path}:{parser.getLineNumber()}: declares an entity, which is not allowed; remove the declaration."
        ) from error
    # Expat's answers to a declared encoding that Python does not know, or that is multi-byte.
    except (LookupError, ValueError) as error:
        raise DataError(f"{path}: its encoding cannot be read ({error}); write it as UTF-8.") from error
    if not handler.units:
        raise DataError(f"{path}: holds no translation unit (<tu>); name a file that does.")


class _Units(xml.sax.handler.ContentHandler):
    """Collects a pair from each <tu> that has both languages."""

    def __init__(self, path: str, language_pair: str, malformed: Malformed, line: Callable[[], int]) -> None:
        super().__init__()
        source, target = split_language_pair(language_pair)
        # The longer tag first, so that en-zh-Hant does not take its zh-Hant for its zh.
        self._languages = sorted((source, target), key=len, reverse=True)
        self._source, self._target = source, target
        self._path = path
        self._malformed = malformed
        self._current_line = line
        self._pairs: list[Pair] = []
        self._segments: dict[str, str] = {}
        self._language = ""  # of the open <tuv>, if it is wanted
        self._text: list[str] | None = None  # of the open <seg>, if it is wanted
        self._size = 0
        self._codes = 0  # how many inline codes are open
        self._line = 0
        self._reason = ""
        self._depth = 0
        self.units = 0

    def take(self) -> list[Pair]:
        """The pairs collected since the last call."""
        pairs, self._pairs = self._pairs, []
        return pairs

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        """Opens a unit, a variant, a segment or an inline element."""
        if self._depth == 0 and name != "tmx":
            raise DataError(f"{self._path}: is not TMX: its root element is <{name}>; name a TMX file.")
        self._depth += 1
        if self._text is not None:
            self._codes += name in _CODES or self._codes > 0
        elif name == "tu":
            self.units += 1
            self._segments = {}
            self._reason = ""
            self._line = self._current_line()
        elif name == "tuv":
            tag = attrs.get("xml:lang") or attrs.get("lang") or ""
            matching = (language for language in self._languages if matches_language(tag, language))
            self._language = next(matching, "")
        elif name == "seg" and self._language and self._language not in self._segments:
            self._text, self._size = [], 0

    def characters(self, content: str) -> None:
        """Adds to the open segment, unless it is inline code."""
        if self._text is not None and not self._codes:
            self._size += len(content)
            if self._size <= MAX_LINE:
                self._text.append(content)
            else:
                self._reason = "line_too_long"

    def skippedEntity(self, name: str) -> None:  # noqa: N802
        """Notes an entity that only a document type, which is never read, could define."""
        if self._text is not None:
            self._reason = "unknown_entity"

    def endElement(self, name: str) -> None:  # noqa: N802
        """Closes what was opened; a unit becomes a pair or is counted as malformed."""
        self._depth -= 1
        if self._codes:
            self._codes -= 1
        elif name == "seg" and self._text is not None:
            self._segments[self._language] = " ".join("".join(self._text).split())
            self._text = None
        elif name == "tuv":
            self._language = ""
        elif name == "tu":
            self._close_unit()

    def _close_unit(self) -> None:
        """Adds the unit's pair, or reports why there is none."""
        reason = self._reason or ("" if len(self._segments) == 2 else "missing_language")
        if reason:
            self._malformed(reason, f"{self._path}:{self._line}")
        else:
            self._pairs.append((self._segments[self._source], self._segments[self._target]))
