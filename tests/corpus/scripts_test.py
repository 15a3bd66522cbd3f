import doctest
import re
import unicodedata

import pytest

from lealla_tf.corpus import scripts
from lealla_tf.corpus.scripts import SCRIPTS, ScriptCheck

# Mostly from "All human beings are born free", in the script of the key.
SENTENCES = {
    "Ethi": "የሰው ልጅ ሁሉ ሲወለድ ነጻ ነው",
    "Arab": "يولد جميع الناس أحرارًا",
    "Beng": "জন্মগতভাৱে সকলো মানুহ মৰ্যাদা",
    "Tibt": "འགྲོ་བ་མིའི་རིགས་རྒྱུད་ཡོངས་ལ",
    "Latn": "Alle Menschen sind frei geboren: Größe!",
    "Grek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι",
    "Gujr": "પ્રતિષ્ઠા અને અધિકારોની દૃષ્ટિએ",
    "Hebr": "כל בני האדם נולדו בני חורין",
    "Deva": "सभी मनुष्यों को गौरव और अधिकारों",
    "Armn": "Բոլոր մարդիկ ծնվում են ազատ",
    "Hira": "すべての人間は、生まれながらにして自由であり、コーヒー",
    "Geor": "ყველა ადამიანი იბადება თავისუფალი",
    "Khmr": "មនុស្សទាំងអស់កើតមកមានសេរីភាព",
    "Knda": "ಎಲ್ಲಾ ಮಾನವರೂ ಸ್ವತಂತ್ರರಾಗಿಯೇ",
    "Hang": "모든 인간은 태어날 때부터 자유로우며",
    "Laoo": "ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ",
    "Mlym": "മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും",
    "Cyrl": "Хүн бүр төрж мэндлэхэд эрх чөлөөтэй",
    "Mymr": "လူတိုင်းသည် တူညီ လွတ်လပ်သော",
    "Orya": "ସବୁ ମନୁଷ୍ୟ ଜନ୍ମକାଳରୁ ସ୍ୱାଧୀନ",
    "Guru": "ਸਾਰਾ ਮਨੁੱਖੀ ਪਰਿਵਾਰ ਆਪਣੀ",
    "Sinh": "සියලු මනුෂ්‍යයෝ නිදහස්ව",
    "Taml": "மனிதப் பிறிவியினர் சகலரும்",
    "Telu": "ప్రతిపత్తిస్వత్వముల విషయమున",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระ",
    "Hani": "人人生而自由,在尊严和权利上一律平等。",
}
# By Unicode's names: the word that every letter of the script begins with.
NAMES = {
    "Arab": "ARABIC",
    "Armn": "ARMENIAN",
    "Beng": "BENGALI",
    "Cyrl": "CYRILLIC",
    "Deva": "DEVANAGARI",
    "Ethi": "ETHIOPIC",
    "Geor": "GEORGIAN",
    "Grek": "GREEK",
    "Gujr": "GUJARATI",
    "Guru": "GURMUKHI",
    "Hang": "HANGUL",
    "Hebr": "HEBREW",
    "Khmr": "KHMER",
    "Knda": "KANNADA",
    "Laoo": "LAO",
    "Latn": "LATIN",
    "Mlym": "MALAYALAM",
    "Mymr": "MYANMAR",
    "Orya": "ORIYA",
    "Sinh": "SINHALA",
    "Taml": "TAMIL",
    "Telu": "TELUGU",
    "Thai": "THAI",
    "Tibt": "TIBETAN",
}


def test_the_table_holds_the_109_languages():
    assert len(SCRIPTS) == 109
    assert SCRIPTS["sr"] == ("Latn", "Cyrl")


@pytest.mark.parametrize("script", SENTENCES)
def test_a_sentence_passes_in_the_languages_of_its_script_and_in_no_other(script):
    passing = {language for language in SCRIPTS if ScriptCheck(language)(SENTENCES[script])}
    assert passing == {language for language, codes in SCRIPTS.items() if script in codes}


def test_ranges_agree_with_the_names_of_the_letters():
    """A letter whose Unicode name tells its script passes in that script's languages alone."""
    pattern = re.compile(rf"({'|'.join(NAMES.values())}) (SMALL |CAPITAL |)LETTER")
    letters = {}
    for code in range(0x20000):
        match = pattern.match(unicodedata.name(chr(code), ""))
        if match and chr(code).isalpha():
            letters.setdefault(match[1], []).append(chr(code))
    assert sum(map(len, letters.values())) > 3000
    for language, codes in SCRIPTS.items():
        if len(codes) == 1 and codes[0] in NAMES:
            check = ScriptCheck(language)
            for word, members in letters.items():
                wrong = [letter for letter in members if check(letter * 3) != (NAMES[codes[0]] == word)]
                assert not wrong, (language, word, wrong)


@pytest.mark.parametrize(
    ("sentence", "passes"),
    [
        ("да no", True),  # 2 of 4
        ("да not", False),  # 2 of 5
        ("no", True),  # fewer than 3 letters
        ("not", False),
        ("12:30 — €5!", True),
        ("", True),
        ("OK 👍🏽 да, да", True),
    ],
)
def test_half_of_the_letters_decide(sentence, passes):
    assert ScriptCheck("ru")(sentence) is passes


def test_letters_of_no_script_count_for_none():
    assert ScriptCheck("ja")("コーヒー")
    assert not ScriptCheck("ja")("µµµa")


def test_a_script_or_region_behind_the_language_is_not_looked_at():
    assert not ScriptCheck("zh-Hant")("Latin text")
    assert ScriptCheck("pt-BR")("Texto latino")


def test_an_unknown_language_passes():
    assert ScriptCheck("tlh")("Что угодно") is True


def test_the_example():
    result = doctest.testmod(scripts)
    assert (result.failed, result.attempted) == (0, 1)
