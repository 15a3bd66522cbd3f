import hashlib
import re

import pytest

from lealla_tf.errors import DataError
from lealla_tf.text.vocabulary import Vocabulary

PIECES = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "##ing"]


def test_ids_are_places_in_the_list():
    vocabulary = Vocabulary(PIECES)

    assert len(vocabulary) == 8
    assert vocabulary.pieces == tuple(PIECES)
    assert (vocabulary.pad_id, vocabulary.unknown_id, vocabulary.start_id) == (0, 2, 3)
    assert (vocabulary.end_id, vocabulary.mask_id) == (4, 5)


def test_fingerprint_is_the_checksum_of_the_saved_file(tmp_path):
    vocabulary = Vocabulary([*PIECES, "été", "汉"])
    vocabulary.save(tmp_path / "vocabulary.txt")

    content = (tmp_path / "vocabulary.txt").read_bytes()
    assert content == "".join(f"{piece}\n" for piece in vocabulary.pieces).encode()
    assert vocabulary.fingerprint == hashlib.sha256(content).hexdigest()
    assert repr(vocabulary) == f"Vocabulary(10 pieces, {vocabulary.fingerprint[:12]})"


def test_equal_pieces_make_equal_vocabularies():
    assert Vocabulary(PIECES) == Vocabulary(tuple(PIECES))
    assert Vocabulary(PIECES) != Vocabulary([*PIECES, "more"])
    with pytest.raises(AttributeError):
        Vocabulary(PIECES).pieces = ()


def test_a_byte_order_mark_is_no_part_of_a_piece(tmp_path):
    (tmp_path / "vocabulary.txt").write_bytes(b"\xef\xbb\xbf" + "".join(f"{piece}\n" for piece in PIECES).encode())

    assert Vocabulary.from_file(tmp_path / "vocabulary.txt") == Vocabulary(PIECES)


# Line separators of Unicode that are not LF may be pieces, or parts of them.
@pytest.mark.parametrize("piece", ["\u2028", "a\u0085b", "\u00a0", "\u3000", "\x1c", "##\x0b", "a\rb"])
def test_reading_gives_back_what_was_saved(tmp_path, piece):
    vocabulary = Vocabulary([*PIECES, piece])
    vocabulary.save(tmp_path / "vocabulary.txt")

    assert Vocabulary.from_file(tmp_path / "vocabulary.txt") == vocabulary


def test_last_line_may_lack_its_line_feed(tmp_path):
    (tmp_path / "vocabulary.txt").write_bytes("\n".join(PIECES).encode())

    assert Vocabulary.from_file(tmp_path / "vocabulary.txt") == Vocabulary(PIECES)


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([*PIECES, ""], "`pieces` cannot be a vocabulary: the piece is empty. Received: piece 8 is ''."),
        ([*PIECES, "play"], "the piece 'play' stands on line 7 already. Received: piece 8 is 'play'."),
        ([*PIECES, "a\nb"], "the piece holds a line break."),
        ([*PIECES, "a\r"], "the line ends in CR LF; a vocabulary's lines end in LF alone."),
        ([*PIECES, "##" + "あ" * 86], "the piece is longer than 256 bytes."),
        (PIECES[1:-3], "the vocabulary lacks [PAD], [MASK]. Received: 4 pieces."),
        ([], "the vocabulary lacks [PAD], [UNK], [CLS], [SEP], [MASK]. Received: 0 pieces."),
    ],
)
def test_what_is_no_vocabulary_is_refused(pieces, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Vocabulary(pieces)


def test_longest_piece_is_accepted():
    Vocabulary([*PIECES, "##" + "あ" * 85 + "a"])  # 85 * 3 + 1 = 256 bytes without the ##


TEXT = "".join(f"{piece}\n" for piece in PIECES).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "{path}: is empty."),
        (TEXT + b"a\xff\nb\n", "{path}:9: is not UTF-8 text."),
        (TEXT + b"[CLS]\n", "{path}:9: the piece '[CLS]' stands on line 4 already."),
        (TEXT + b"a\n\nb\n", "{path}:10: the piece is empty."),
        (TEXT.replace(b"\n", b"\r\n"), "{path}:1: the line ends in CR LF; a vocabulary's lines end in LF alone."),
        (TEXT.replace(b"[CLS]\n", b""), "{path}: the vocabulary lacks [CLS]."),
    ],
)
def test_faults_of_a_file_are_named_with_their_line(tmp_path, content, message):
    path = tmp_path / "vocabulary.txt"
    path.write_bytes(content)

    with pytest.raises(DataError, match="^" + re.escape(message.format(path=path))):
        Vocabulary.from_file(path)


def test_missing_file_and_directory_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"none.txt: cannot be read as a vocabulary \(No such file or directory\)"):
        Vocabulary.from_file(tmp_path / "none.txt")
    with pytest.raises(DataError, match=r"cannot be read as a vocabulary \(Is a directory\)"):
        Vocabulary.from_file(tmp_path)
