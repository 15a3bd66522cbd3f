"""The languages of the Tatoeba benchmark: names, groups, and the codes of training data."""

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from lealla_tf.errors import DataError


class Language(NamedTuple):
    """A language of the benchmark: its English name and the code that training pairs use."""

    name: str
    training_code: str


# ISO 639-3 code of the benchmark, code of the training data (two letters where LaBSE has one), English name
_TABLE = """
afr af Afrikaans
amh am Amharic
ang ang Old English
ara ar Arabic
arq arq Algerian Arabic
arz arz Egyptian Arabic
ast ast Asturian
awa awa Awadhi
aze az Azerbaijani
bel be Belarusian
ben bn Bengali
ber ber Berber
bos bs Bosnian
bre br Breton
bul bg Bulgarian
cat ca Catalan
cbk cbk Chavacano
ceb ceb Cebuano
ces cs Czech
cha ch Chamorro
cmn zh Mandarin Chinese
cor kw Cornish
csb csb Kashubian
cym cy Welsh
dan da Danish
deu de German
dsb dsb Lower Sorbian
dtp dtp Central Dusun
ell el Greek
epo eo Esperanto
est et Estonian
eus eu Basque
fao fo Faroese
fin fi Finnish
fra fr French
fry fy West Frisian
gla gd Scottish Gaelic
gle ga Irish
glg gl Galician
gsw gsw Swiss German
heb he Hebrew
hin hi Hindi
hrv hr Croatian
hsb hsb Upper Sorbian
hun hu Hungarian
hye hy Armenian
ido io Ido
ile ie Interlingue
ina ia Interlingua
ind id Indonesian
isl is Icelandic
ita it Italian
jav jv Javanese
jpn ja Japanese
kab kab Kabyle
kat ka Georgian
kaz kk Kazakh
khm km Khmer
kor ko Korean
kur ku Kurdish
kzj kzj Coastal Kadazan
lat la Latin
lfn lfn Lingua Franca Nova
lit lt Lithuanian
lvs lv Latvian
mal ml Malayalam
mar mr Marathi
max max North Moluccan Malay
mhr mhr Meadow Mari
mkd mk Macedonian
mon mn Mongolian
nds nds Low German
nld nl Dutch
nno nn Norwegian Nynorsk
nob nb Norwegian Bokmål
nov nov Novial
oci oc Occitan
orv orv Old East Slavic
pam pam Kapampangan
pes fa Persian
pms pms Piedmontese
pol pl Polish
por pt Portuguese
ron ro Romanian
rus ru Russian
slk sk Slovak
slv sl Slovenian
spa es Spanish
sqi sq Albanian
srp sr Serbian
swe sv Swedish
swg swg Swabian
swh sw Swahili
tam ta Tamil
tat tt Tatar
tel te Telugu
tgl tl Tagalog
tha th Thai
tuk tk Turkmen
tur tr Turkish
tzl tzl Talossan
uig ug Uyghur
ukr uk Ukrainian
urd ur Urdu
uzb uz Uzbek
vie vi Vietnamese
war war Waray
wuu wuu Wu Chinese
xho xh Xhosa
yid yi Yiddish
yue yue Cantonese
zsm ms Malay
"""

LANGUAGES: Mapping[str, Language] = {
    code: Language(name, training_code)
    for code, training_code, name in (line.split(maxsplit=2) for line in _TABLE.strip().splitlines())
}

# m-USE's 14 and XTREME's 36, the two groups that LaBSE and LEALLA average over besides all 112
_FOURTEEN = "ara cmn deu fra ita jpn kor nld pol por rus spa tha tur"
_THIRTY_SIX = (
    "afr ara ben bul cmn deu ell est eus fin fra heb hin hun ind ita jav jpn kat kaz kor mal mar nld pes por rus "
    "spa swh tam tel tgl tha tur urd vie"
)

GROUPS: Mapping[str, tuple[str, ...]] = {
    "14": tuple(_FOURTEEN.split()),
    "36": tuple(_THIRTY_SIX.split()),
    "all": tuple(LANGUAGES),
}

# Other codes in use for a language of the table: withdrawn ones, the macrolanguage's, the individual
# language's.  "no" is Bokmål in every corpus that uses it; Nynorsk has its own, "nn".
_EQUIVALENT_CODES = {
    "iw": "he",
    "in": "id",
    "ji": "yi",
    "jw": "jv",
    "mo": "ro",
    "no": "nb",
    "nor": "nb",
    "fil": "tl",
    "arb": "ar",
    "fas": "fa",
    "lav": "lv",
    "msa": "ms",
    "swa": "sw",
    "zho": "zh",
}


def language_name(code: str) -> str:
    """The English name of a benchmark language; the code itself for one not in the table."""
    return LANGUAGES[code].name if code in LANGUAGES else code


def is_trained(code: str, trained_languages: Collection[str]) -> bool | None:
    """Whether a benchmark language is among those that a model was trained on.

    Args:
        code: ISO 639-3 code of the benchmark, such as "pes".
        trained_languages: codes of training pairs, such as "fa", "zh-Hant" or "iw"; script
            and region are left aside.  Empty if they are not known.

    Returns:
        None if it cannot be said: nothing is known of the training, or `code` is not one of
        the 112 languages and so its other codes are not known.
    """
    if not trained_languages or code not in LANGUAGES:
        return None
    return LANGUAGES[code].training_code in {_training_code(trained) for trained in trained_languages}


def read_group(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The codes of a group from a file: one a line; `#` starts a comment, blank lines are skipped.

    Raises:
        DataError: if the file is missing, not UTF-8 or without a code, or if a line is not a
            code or repeats one.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text (byte {error.start}).") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    codes: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        code = line.partition("#")[0].strip()
        if code in codes:
            raise DataError(f"{path}:{number}: repeats {code!r}; name each language once.")
        if code and not re.fullmatch("[a-z]{3}", code):
            raise DataError(f"{path}:{number}: {code!r} is not a language; write one ISO 639-3 code, such as deu.")
        if code:
            codes.append(code)
    if not codes:
        raise DataError(f"{path}: names no language; write one ISO 639-3 code, such as deu, a line.")
    return tuple(codes)


def _training_code(code: str) -> str:
    """One spelling for all codes of a language: "iw", "heb" and "he-IL" become "he"."""
    language = code.lower().replace("_", "-").partition("-")[0]
    if language in LANGUAGES:
        return LANGUAGES[language].training_code
    return _EQUIVALENT_CODES.get(language, language)
