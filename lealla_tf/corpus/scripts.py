"""Whether a sentence is written in a script of its language."""

import re

# The letters of each script (ISO 15924 code), as code points in hexadecimal: the property
# Script of Unicode 17.0 (Scripts.txt), restricted to letters (general category L).  Ranges
# run over what lies between two letters of the script unless it is a letter of another
# one; letters of the scripts Common and Inherited thus fall to the script around them,
# as the Japanese length mark U+30FC does to Katakana.
_RANGES = {
    "Arab": "620-6FF 750-77F 870-8C9 FB50-FEFC 10EC2-10EEE 1EE00-1EEBB",
    "Armn": "531-58C FB13-FB17",
    "Beng": "980-9FC 11DF1-11DF1",
    "Bopo": "3105-312F 31A0-31BF",
    "Cyrl": "400-52F 1C80-1C8A 1D2B-1D2B 1D78-1D78 A640-A69D 1E030-1E06D",
    "Deva": "904-97F A8F2-A8FE 11B0A-11B0A",
    "Ethi": "1200-138F 2D80-2DDE AB01-AB2E 1E7E0-1E7FE",
    "Geor": "10A0-10FF 1C90-1CBF 2D00-2D2D",
    "Grek": "370-3E1 3F0-3FF 1D26-1D2A 1D5D-1D61 1D66-1D6A 1DBF-1DBF 1F00-1FFC 2126-2126 AB65-AB65 1DFF3-1DFF4",
    "Gujr": "A85-AF9",
    "Guru": "A05-A74",
    "Hang": "1100-11FF 3131-318E A960-A97C AC00-D7FB FFA0-FFDC",
    "Hani": "3005-303B 3400-9FFF F900-FAD9 16FE3-16FF3 20000-33479",
    "Hebr": "5D0-5F2 FB1D-FB4F",
    "Hira": "3041-309F 1B001-1B11F 1B123-1B123 1B132-1B152",
    "Kana": "30A1-30FF 31F0-31FF FF66-FF9D 1AFF0-1B000 1B120-1B122 1B124-1B128 1B155-1B168",
    "Khmr": "1780-17DC",
    "Knda": "C80-CF2",
    "Laoo": "E81-EDF",
    "Latn": "41-2E4 1D00-1D25 1D2C-1D5C 1D62-1D65 1D6B-1D77 1D79-1DBE 1E00-1EFF 2071-209F 212A-2184 2C60-2C7F "
    "A722-A7FF AB30-AB64 AB66-AB6D FB00-FB06 FF21-FF5A 10780-107BF 1DF00-1DFF2 1DFF5-1DFFF",
    "Mlym": "D04-D7F",
    "Mong": "1820-18AA",
    "Mymr": "1000-108E A9E0-A9FE AA60-AA7F",
    "Orya": "B05-B71",
    "Sinh": "D85-DC6",
    "Taml": "B83-BD0",
    "Telu": "C05-C61",
    "Thai": "E01-E46",
    "Tibt": "F00-F8C",
}

# LaBSE's 109 languages by the scripts that they are written in today.
_LANGUAGES_OF = {
    "Latn": "af ca ceb co cs cy da de en eo es et eu fi fr fy ga gd gl ha haw hmn hr ht hu id ig is it jv la lb lt lv "
    "mg mi mt nl no ny pl pt ro rw sk sl sm sn so sq st su sv sw tl tr vi wo xh yo zu",
    "Cyrl": "be bg ky mk ru tg tt uk",
    "Arab": "ar fa ug ur",
    "Deva": "hi mr ne",
    "Beng": "as bn",
    "Hebr": "he yi",
    "Ethi": "am",
    "Tibt": "bo",
    "Grek": "el",
    "Gujr": "gu",
    "Armn": "hy",
    "Geor": "ka",
    "Khmr": "km",
    "Knda": "kn",
    "Laoo": "lo",
    "Mlym": "ml",
    "Mymr": "my",
    "Orya": "or",
    "Sinh": "si",
    "Taml": "ta",
    "Telu": "te",
    "Thai": "th",
    "Latn Cyrl": "bs sr tk uz",
    "Latn Cyrl Arab": "az kk ku",
    "Latn Arab": "ms",
    "Cyrl Mong": "mn",
    "Guru Arab": "pa",
    "Hani Hira Kana": "ja",
    "Hang Hani": "ko",
    "Hani Bopo": "zh",
}

SCRIPTS = {
    language: tuple(scripts.split()) for scripts, languages in _LANGUAGES_OF.items() for language in languages.split()
}
"""Language -> the ISO 15924 codes of its scripts, for the 109 languages of LaBSE."""

# ASCII without letters, and the controls and signs up to U+00A9: never letters, and
# most of what stands between words, so that a clean sentence is one match.
_NEUTRAL = r"\x00-@\[-`{-\xA9\u2010-\u2027"
_SHORTEST = 3


class ScriptCheck:
    """Tells whether a sentence is mainly in a script of `language`.

    A sentence passes unless fewer than half of its letters lie in the scripts of its
    language; with fewer than 3 letters it always passes, and so does every sentence of a
    language that `SCRIPTS` does not know.  A script or region behind the language
    (`zh-Hant`, `pt-BR`) is not looked at.

    Example:
    >>> ScriptCheck("ru")("Это тест."), ScriptCheck("ru")("This is a test.")
    (True, False)
    """

    def __init__(self, language: str) -> None:
        scripts = SCRIPTS.get(language.partition("-")[0])
        self._inside: re.Pattern[str] | None = None
        if scripts is not None:
            ranges = " ".join(_RANGES[script] for script in scripts).split()
            members = "".join("-".join(chr(int(end, 16)) for end in part.split("-")) for part in ranges)
            self._inside = re.compile(f"[{_NEUTRAL}{members}]*")

    def __call__(self, sentence: str) -> bool:
        """Whether `sentence` passes."""
        inside = self._inside
        if inside is None or inside.fullmatch(sentence):
            return True
        foreign = sum(map(str.isalpha, inside.sub("", sentence)))
        letters = sum(map(str.isalpha, sentence))
        return letters < _SHORTEST or 2 * (letters - foreign) >= letters
