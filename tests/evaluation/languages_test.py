"""The table of languages: its groups, and which codes of training data mean the same."""

import os
from pathlib import Path

import pytest

from lealla_tf.errors import DataError
from lealla_tf.evaluation.languages import GROUPS, LANGUAGES, is_trained, language_name, read_group

# The 109 languages of LaBSE, as its paper lists them.
LABSE = (
    "af am ar as az be bg bn bo bs ca ceb co cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha haw he hi hmn hr "
    "ht hu hy id ig is it ja jv ka kk km kn ko ku ky la lb lo lt lv mg mi mk ml mn mr ms mt my ne nl no ny or pa pl pt "
    "ro ru rw si sk sl sm sn so sq sr st su sv sw ta te tg th tk tl tr tt ug uk ur uz vi wo xh yi yo zh zu"
)


def test_groups_have_the_sizes_in_their_names():
    assert [len(GROUPS[name]) for name in ("14", "36", "all")] == [14, 36, 112]
    assert set(GROUPS["14"]) <= set(GROUPS["all"])
    assert set(GROUPS["36"]) <= set(GROUPS["all"])
    assert all(len(set(codes)) == len(codes) for codes in GROUPS.values())


def test_table_is_sorted_and_unambiguous():
    assert list(LANGUAGES) == sorted(LANGUAGES)
    assert len({language.name for language in LANGUAGES.values()}) == 112
    assert len({language.training_code for language in LANGUAGES.values()}) == 112


def test_every_code_of_two_letters_that_labse_has_is_used():
    """What remains of LaBSE's list are languages that Tatoeba lacks; "no" is spelt "nb" here."""
    codes = {language.training_code for language in LANGUAGES.values()}
    lacking = "as bo co gu ha haw hmn ht ig kn ky lb lo mg mi mt my ne ny or pa rw si sm sn so st su tg wo yo zu en"
    assert set(LABSE.split()) - codes == {*lacking.split(), "no"}


def test_labse_is_absent_from_these():
    absent = " ".join(code for code in LANGUAGES if not is_trained(code, LABSE.split()))
    assert absent == (
        "ang arq arz ast awa ber bre cbk cha cor csb dsb dtp fao gsw hsb ido ile ina kab kzj lfn max mhr nds nno nov "
        "oci orv pam pms swg tzl war wuu yue"
    )


@pytest.mark.parametrize(
    ("code", "trained"),
    [
        ("deu", "de"),
        ("cmn", "zh"),
        ("cmn", "zh-Hant"),
        ("cmn", "zh_CN"),
        ("pes", "fa"),
        ("swh", "sw"),
        ("ell", "el"),
        ("ara", "ar"),
        ("ara", "arb"),
        ("nob", "nb"),
        ("nob", "no"),
        ("heb", "he"),
        ("heb", "iw"),
        ("jav", "jv"),
        ("jav", "jw"),
        ("lvs", "lv"),
        ("zsm", "ms"),
        ("sqi", "sq"),
        ("tgl", "tl"),
        ("tgl", "fil"),
        ("hye", "hy"),
        ("por", "pt-BR"),
        ("deu", "deu"),
        ("kab", "kab"),
        ("ber", "ber"),
        ("tzl", "tzl"),
    ],
)
def test_codes_of_one_language(code, trained):
    assert is_trained(code, [trained]) is True
    assert is_trained(code, ["en", "xx"]) is False


@pytest.mark.parametrize(
    ("code", "other"), [("yue", "zh"), ("wuu", "zh"), ("arz", "ar"), ("nno", "no"), ("kab", "ber")]
)
def test_a_relative_does_not_count(code, other):
    assert is_trained(code, [other]) is False


def test_what_is_not_known_is_not_said():
    assert is_trained("deu", []) is None
    assert is_trained("guj", ["gu"]) is None


def test_names():
    assert language_name("pes") == "Persian"
    assert language_name("guj") == "guj"
    # The picture's font, and a terminal's grid, are sure of Latin letters only.
    assert all(max(language.name) < "\u0250" for language in LANGUAGES.values())


def test_group_file(tmp_path):
    path = tmp_path / "group"
    path.write_text("\ufeffdeu\n# two\n\n  fra # French\r\n", encoding="utf-8")
    assert read_group(path) == ("deu", "fra")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"deu\nde\n", r"group:2: 'de' is not a language; write one ISO 639-3 code"),
        (b"deu fra\n", r"group:1: 'deu fra' is not a language"),
        (b"deu\n\ndeu\n", r"group:3: repeats 'deu'; name each language once."),
        (b"# none\n", r"group: names no language; write one ISO 639-3 code"),
        (b"deu\nfr\xff\n", r"group: is not UTF-8 text \(byte 6\)."),
        (None, r"group: cannot be read \(No such file or directory\)."),
    ],
)
def test_group_files_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / "group"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_group(path)


@pytest.mark.slow
def test_table_is_that_of_the_benchmark():
    if "LEALLA_DATA" not in os.environ:
        pytest.skip("LEALLA_DATA is not set")
    files = Path(os.environ["LEALLA_DATA"], "tatoeba").glob("tatoeba.*-eng.eng")
    assert sorted(file.name[8:11] for file in files) == list(LANGUAGES)
