import gzip
import re
import tracemalloc

import pytest

from lealla_tf.corpus.filtering import FileReport
from lealla_tf.corpus.reading import read_pairs
from lealla_tf.corpus.specification import CorpusFile
from lealla_tf.errors import DataError

MARKUP = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4">
  <header creationtool="hand" segtype="sentence" srclang="en"/>
  <body>
    <tu tuid="1">
      <note>not a sentence</note>
      <tuv xml:lang="en-US"><prop type="x">nor this</prop><seg>Click <bpt i="1">&lt;b&gt;</bpt>here<ept i="1"/>,
        <hi>now</hi> &amp; <ph x="2">{0}<sub>a tip</sub></ph>go.</seg></tuv>
      <tuv xml:lang="DE"><seg>Hier<it pos="begin">[</it> klicken<ut>\\par</ut>.</seg></tuv>
      <tuv xml:lang="fr"><seg>Cliquez ici.</seg></tuv>
    </tu>
    <tu>
      <tuv lang="de_AT"><seg>Servus, <![CDATA[<Welt>]]>!</seg></tuv>
      <tuv lang="en"><seg>Hello &#x2014; world</seg></tuv>
      <tuv lang="en-GB"><seg>A second variant</seg></tuv>
    </tu>
    <tu><tuv xml:lang="en"><seg>Only English</seg></tuv><tuv xml:lang="eng"><seg>Not en</seg></tuv></tu>
    <tu><tuv xml:lang="en"><seg/></tuv><tuv xml:lang="de"><seg>Leer</seg></tuv></tu>
  </body>
</tmx>
"""
PAIRS = [("Click here, now & go.", "Hier klicken."), ("Hello — world", "Servus, <Welt>!"), ("", "Leer")]


def document(*units, declaration='<?xml version="1.0"?>'):
    return f"{declaration}\n<tmx version='1.4'><header/><body>\n" + "\n".join(units) + "\n</body></tmx>\n"


def unit(source, target):
    return f'<tu><tuv xml:lang="en"><seg>{source}</seg></tuv><tuv xml:lang="de"><seg>{target}</seg></tuv></tu>'


def read(path, data, language_pair="en-de", on_error="skip", report=None):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    file = CorpusFile(language_pair, "tmx", str(path))
    return list(read_pairs(file, on_error, report or FileReport(file.name)))


def test_markup(tmp_path):
    report = FileReport("a")
    assert read(tmp_path / "a.tmx", MARKUP, report=report) == PAIRS
    assert report.dropped == {"missing_language": 1}
    assert report.first == {"missing_language": f"{tmp_path / 'a.tmx'}:18"}


def test_gzip_and_direction(tmp_path):
    reverse = [(target, source) for source, target in PAIRS]
    assert read(tmp_path / "a.tmx.gz", gzip.compress(MARKUP.encode()), "de-en") == reverse


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "windows-1252"])
def test_declared_encodings(tmp_path, encoding):
    text = document(unit("Cheers", "Grüße"), declaration=f'<?xml version="1.0" encoding="{encoding}"?>')
    assert read(tmp_path / "a.tmx", text.encode(encoding)) == [("Cheers", "Grüße")]


def test_the_more_special_language_takes_its_variant(tmp_path):
    text = document('<tu><tuv xml:lang="zh-Hant-TW"><seg>漢</seg></tuv><tuv xml:lang="zh"><seg>汉</seg></tuv></tu>')
    assert read(tmp_path / "a.tmx", text, "zh-zh-Hant") == [("汉", "漢")]


def test_stop_names_the_first_unit(tmp_path):
    message = f"{tmp_path / 'a.tmx'}:18: the unit lacks one of the two languages; add it or remove the unit, or skip"
    with pytest.raises(DataError, match=re.escape(message)):
        read(tmp_path / "a.tmx", MARKUP, on_error="stop")


def test_an_entity_of_a_document_type_that_is_never_read(tmp_path):
    report = FileReport("a")
    text = document(unit("a&nbsp;b", "c"), unit("d", "e")).replace("<tmx", '<!DOCTYPE tmx SYSTEM "tmx14.dtd"><tmx', 1)
    assert read(tmp_path / "a.tmx", text, report=report) == [("d", "e")]
    assert report.first == {"unknown_entity": f"{tmp_path / 'a.tmx'}:3"}


def test_a_segment_longer_than_a_line_may_be(tmp_path):
    report = FileReport("a")
    assert read(tmp_path / "a.tmx", document(unit("x" * (1 << 20) + "y", "z"), unit("d", "e")), report=report) == [
        ("d", "e")
    ]
    assert report.dropped == {"line_too_long": 1}


BOMB = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(12))


@pytest.mark.parametrize(
    "subset",
    [
        '<!ENTITY e0 "ha">' + BOMB,
        '<!ENTITY e12 SYSTEM "file:///etc/hostname">',
        '<!ENTITY % outside SYSTEM "file:///etc/hostname"> %outside;',
        '<!ENTITY e12 PUBLIC "a" "http://localhost/" NDATA b>',
    ],
    ids=["bomb", "external", "external parameter", "unparsed"],
)
def test_entities_are_refused(tmp_path, subset):
    text = document(unit("&e12;", "x")).replace("<tmx", f"<!DOCTYPE tmx [\n{subset}]><tmx", 1)
    message = f"{tmp_path / 'a.tmx'}:3: declares an entity, which is not allowed; remove the declaration."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        read(tmp_path / "a.tmx", text)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", ": is empty; name a file with text."),
        ("plain text", ":1: is not well-formed XML (syntax error); repair it or export it again."),
        ("<tmx>\n<body>\n<tu></tuv>", ":3: is not well-formed XML (mismatched tag); repair it"),
        (document(unit("a", "b"))[:-14], ":4: is not well-formed XML (no element found); repair it"),
        (document(unit("a\0", "b")), ":3: is not well-formed XML (not well-formed (invalid token))"),
        (document(unit("a", "Gr\xfc")).encode("latin-1"), ":3: is not well-formed XML (not well-formed"),
        ("<html/>", ": is not TMX: its root element is <html>; name a TMX file."),
        (document(), ": holds no translation unit (<tu>); name a file that does."),
        (
            document(declaration='<?xml version="1.0" encoding="x-9"?>'),
            ": its encoding cannot be read (unknown encoding",
        ),
        (
            document(declaration='<?xml version="1.0" encoding="shift_jis"?>'),
            ": its encoding cannot be read (multi-byte",
        ),
    ],
)
def test_files_that_cannot_be_read(tmp_path, data, message):
    with pytest.raises(DataError, match=f"^{re.escape(str(tmp_path / 'a.tmx') + message)}"):
        read(tmp_path / "a.tmx", data)


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "a.tmx"
    path.write_text(document(*(unit(f"Sentence {n}", f"Satz {n}") for n in range(10_000))), encoding="utf-8")
    file = CorpusFile("en-de", "tmx", str(path))
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_pairs(file, "stop", FileReport("a")))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 10_000
    assert peak < 2 << 20
