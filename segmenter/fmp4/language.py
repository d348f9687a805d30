"""Languages between BCP 47 (tracks, playlists) and ISO 639-2/T (mdhd)."""

from __future__ import annotations

UNDETERMINED = "und"

# ISO 639-1 and 639-2/T of the languages that broadcasts carry; others travel in elng alone.
_PAIRS = """
af afr am amh ar ara az aze be bel bg bul bn ben bs bos ca cat cs ces cy cym da dan de deu el ell
en eng es spa et est eu eus fa fas fi fin fr fra ga gle gl glg gu guj he heb hi hin hr hrv hu hun
hy hye id ind is isl it ita ja jpn ka kat kk kaz km khm kn kan ko kor ky kir lo lao lt lit lv lav
mk mkd ml mal mn mon mr mar ms msa mt mlt my mya nb nob ne nep nl nld nn nno no nor pa pan pl pol
ps pus pt por ro ron ru rus sd snd si sin sk slk sl slv so som sq sqi sr srp sv swe sw swa ta tam
te tel tg tgk th tha tk tuk tl tgl tr tur uk ukr ur urd uz uzb vi vie xh xho zh zho zu zul
"""
_CODES = _PAIRS.split()
_TO_THREE = dict(zip(_CODES[::2], _CODES[1::2], strict=True))
_TO_TWO = {three: two for two, three in _TO_THREE.items()}


def iso_639_2(language: str) -> str:
    """The three-letter code of a BCP 47 tag's primary language, ``und`` when there is none."""
    primary = language.split("-")[0].lower()
    if len(primary) == 3 and primary.isascii() and primary.isalpha():
        return primary
    return _TO_THREE.get(primary, UNDETERMINED)


def bcp_47(code: str) -> str:
    """The shortest BCP 47 tag of an ISO 639-2/T code (RFC 5646 2.2.1); empty for ``und``."""
    if code == UNDETERMINED or not (code.isascii() and code.isalpha()):
        return ""
    return _TO_TWO.get(code, code)
