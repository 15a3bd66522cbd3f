import numpy as np

from lealla_tf.corpus.segments import InMemory, Segment, concatenate

PAIRS = [("One.", "Eins."), ("Two.", "Zwei\u00df."), ("Three.", "Drei.")]


def targets(count, start=0):
    return np.arange(start, start + 2 * count, dtype=np.float16).reshape(count, 2)


def test_pairs_are_columns_of_bytes():
    segment = Segment.of_pairs(PAIRS)
    assert segment.source.tolist() == [b"One.", b"Two.", b"Three."]
    assert segment.target.tolist() == [b"Eins.", "Zwei\u00df.".encode(), b"Drei."]
    assert segment.texts() == ([source for source, _ in PAIRS], [target for _, target in PAIRS])
    assert len(segment) == 3
    assert list(segment.columns()) == ["source", "target"]


def test_texts_keep_their_last_nul_and_their_length():
    segment = Segment.of_bytes([b"a\0", b""], [b"\0\0", b"longer than the others"])
    assert segment.source.tolist() == [b"a\0", b""]
    assert segment.target.tolist() == [b"\0\0", b"longer than the others"]


def test_rows_are_taken_from_all_columns():
    segment = Segment(
        *(getattr(Segment.of_pairs(PAIRS), side) for side in ("source", "target")), targets(3), targets(3, 9)
    )
    taken = segment.take(np.array([2, 0, 2]))
    assert taken.source.tolist() == [b"Three.", b"One.", b"Three."]
    assert taken.target.tolist() == [b"Drei.", b"Eins.", b"Drei."]
    assert taken.source_teacher.tolist() == [[4, 5], [0, 1], [4, 5]]
    assert taken.target_teacher.tolist() == [[13, 14], [9, 10], [13, 14]]
    assert segment.take(slice(1, 2)).texts() == (["Two."], ["Zwei\u00df."])
    assert list(segment.columns()) == ["source", "target", "source_teacher", "target_teacher"]


def test_segments_are_concatenated_in_order():
    first = Segment.of_bytes([b"a"], [b"b"], targets(1), targets(1, 4))
    second = Segment.of_bytes([b"c", b"d"], [b"e", b"f"], targets(2, 6), targets(2, 10))
    both = concatenate([first, second, first])
    assert both.source.tolist() == [b"a", b"c", b"d", b"a"]
    assert both.target_teacher.tolist() == [[4, 5], [10, 11], [12, 13], [4, 5]]
    assert concatenate([Segment.of_pairs(PAIRS)]).source_teacher is None


def test_fingerprint_changes_with_text_order_side_and_boundary():
    def fingerprint(*pairs):
        return Segment.of_pairs(pairs).fingerprint()

    values = [
        fingerprint(("a", "b"), ("c", "d")),
        fingerprint(("c", "d"), ("a", "b")),
        fingerprint(("b", "a"), ("d", "c")),
        fingerprint(("a", "b"), ("c", "e")),
        fingerprint(("a", "b"), ("cb", "d")),
        fingerprint(("a", "b")),
        # One character from the first target to the last source.
        fingerprint(("a", "xb"), ("c", "d")),
        fingerprint(("a", "b"), ("cx", "d")),
    ]
    assert len(set(values)) == len(values)
    assert fingerprint(("a", "b"), ("c", "d")) == values[0]


def test_a_segment_in_memory_is_a_source_of_one():
    segment = Segment.of_pairs(PAIRS)
    source = InMemory(segment)
    assert source.sizes == (3,)
    assert source.load(0) is segment
