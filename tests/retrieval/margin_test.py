"""Margin scores and the choice of pairs, by hand and against loops over the full matrix of cosines."""

import functools

import numpy as np
import pytest

from lealla_tf.retrieval import Neighbours, choose_pairs, margin_scores, mine_pairs, nearest_neighbours, score_pairs

MARGINS = {
    "absolute": lambda cosine, mean: cosine,
    "distance": lambda cosine, mean: cosine - mean,
    "ratio": lambda cosine, mean: cosine / mean,
}


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def two_sides(source, target, dim=12, seed=0):
    """Unit vectors around one direction, so that cosines are positive; the first are translations."""
    random = np.random.default_rng(seed)
    pool = random.normal(size=(max(source, target), dim)) + 0.7
    return unit(pool[:source]), unit(pool[:target] + 0.4 * random.normal(size=(target, dim)))


def by_loops(source, target, k, margin, direction):
    """The definition, sentence by sentence, in float64."""
    cosines = np.asarray(source, np.float64) @ np.asarray(target, np.float64).T
    near = [sorted(range(len(target)), key=lambda y, x=x: (-cosines[x, y], y))[:k] for x in range(len(source))]
    near_back = [sorted(range(len(source)), key=lambda x, y=y: (-cosines[x, y], x))[:k] for y in range(len(target))]

    def score(x, y):
        mean = sum(cosines[x, z] for z in near[x]) / (2 * k) + sum(cosines[z, y] for z in near_back[y]) / (2 * k)
        return MARGINS[margin](cosines[x, y], mean)

    forward = {x: max(near[x], key=lambda y: score(x, y)) for x in range(len(source))}
    backward = {y: max(near_back[y], key=lambda x: score(x, y)) for y in range(len(target))}
    pairs = {
        "forward": set(forward.items()),
        "backward": {(x, y) for y, x in backward.items()},
        "intersect": {(x, y) for x, y in forward.items() if backward[y] == x},
        "max": set(),
    }
    for pair in sorted(pairs["forward"] | pairs["backward"], key=lambda pair: (-score(*pair), pair)):
        if all(pair[0] != x and pair[1] != y for x, y in pairs["max"]):
            pairs["max"].add(pair)
    return {pair: score(*pair) for pair in sorted(pairs[direction], key=lambda pair: (-score(*pair), pair))}


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("direction", ["forward", "backward", "intersect", "max"])
@pytest.mark.parametrize(("source", "target", "k"), [(40, 40, 4), (30, 55, 3), (55, 30, 1), (9, 5, 5)])
def test_agrees_with_loops_over_all_cosines(margin, direction, source, target, k):
    a, b = two_sides(source, target)
    mined = mine_pairs(a, b, k=k, margin=margin, direction=direction)
    expected = by_loops(a, b, k, margin, direction)
    assert list(zip(mined.source.tolist(), mined.target.tolist(), strict=True)) == list(expected)
    np.testing.assert_allclose(mined.scores, list(expected.values()), rtol=2e-5, atol=1e-6)
    assert (mined.source.dtype, mined.target.dtype, mined.scores.dtype) == (np.int64, np.int64, np.float32)


def test_scores_by_hand():
    """Two neighbours each: the mean of x = 0 is (0.9 + 0.5) / 4 and that of y = 0 (0.9 + 0.7) / 4."""
    forward = Neighbours(np.array([[0, 1]]), np.array([[0.9, 0.5]]))
    backward = Neighbours(np.array([[0, 1], [0, 2]]), np.array([[0.9, 0.7], [0.5, 0.3]]))
    np.testing.assert_allclose(margin_scores(forward, backward, "absolute"), [[0.9, 0.5]])
    np.testing.assert_allclose(margin_scores(forward, backward, "distance"), [[0.9 - 0.75, 0.5 - 0.55]])
    np.testing.assert_allclose(margin_scores(forward, backward, "ratio"), [[0.9 / 0.75, 0.5 / 0.55]])


@pytest.mark.parametrize("margin", MARGINS)
def test_given_pairs_are_scored_by_the_definition(margin, monkeypatch):
    """All pairs of 12 and 9 rows, of which most are not neighbours, in several pieces."""
    monkeypatch.setattr("lealla_tf.retrieval.margin._PAIRS", 50)
    a, b = two_sides(12, 9, seed=3)
    rows = np.indices((12, 9)).reshape(2, -1)
    cosines = a.astype(np.float64) @ b.T.astype(np.float64)
    near, near_back = np.sort(cosines, 1)[:, -4:].mean(1), np.sort(cosines, 0)[-4:].mean(0)
    expected = MARGINS[margin](cosines, (near[:, None] + near_back) / 2)
    scores = score_pairs(a, b, *rows, k=4, margin=margin)
    np.testing.assert_allclose(scores, expected.ravel(), rtol=2e-5, atol=1e-6)
    mined = mine_pairs(a, b, k=4, margin=margin)
    np.testing.assert_allclose(score_pairs(a, b, mined.source, mined.target, margin=margin), mined.scores, rtol=1e-5)


def test_a_hub_loses_to_a_translation_that_is_less_near():
    """Target 6 is near to every source; by cosine all choose it, by the margins all choose their own."""
    own = 0.8 * np.eye(6, 12) + 0.6 * np.eye(6, 12, 6)
    hub = np.concatenate([np.ones(6), np.zeros(6)])
    source = unit(np.eye(6, 12) + 0.55 * hub)
    target = unit(np.concatenate([own, hub[None]]))
    assert (nearest_neighbours(source, target, 1).indices == 6).all()
    chosen = {
        margin: mine_pairs(source, target, k=3, margin=margin, direction="forward").target.tolist()
        for margin in MARGINS
    }
    assert chosen["absolute"] == [6] * 6
    assert chosen["distance"] == chosen["ratio"] == list(range(6))


def test_the_best_of_both_directions_uses_every_sentence_once():
    """Sources 0 and 1 both choose target 0, which chooses 0; 1 gets target 1, which chose it, by its own choice."""
    forward = Neighbours(np.array([[0, 1], [0, 1]]), np.array([[0.9, 0.1], [0.8, 0.7]]))
    backward = Neighbours(np.array([[0, 1], [1, 0]]), np.array([[0.9, 0.8], [0.7, 0.1]]))
    results = {
        direction: [
            (x, y, pytest.approx(score))
            for x, y, score in zip(
                *choose_pairs(forward, backward, margin="absolute", direction=direction), strict=True
            )
        ]
        for direction in ("forward", "backward", "intersect", "max")
    }
    assert results == {
        "forward": [(0, 0, 0.9), (1, 0, 0.8)],
        "backward": [(0, 0, 0.9), (1, 1, 0.7)],
        "intersect": [(0, 0, 0.9)],
        "max": [(0, 0, 0.9), (1, 1, 0.7)],
    }


@pytest.mark.parametrize("margin", MARGINS)
def test_duplicates_are_paired_by_the_lowest_index(margin):
    """Each sentence stands twice on both sides: the copies are equal in every way but their place."""
    a, b = (np.tile(side, (2, 1)) for side in two_sides(20, 20, seed=1))
    for direction in ("forward", "backward", "intersect", "max"):
        mined = mine_pairs(a, b, k=4, margin=margin, direction=direction)
        assert (mined.source if direction != "forward" else mined.target).max() < 20
        # Copies have equal scores to the bit, and the lower comes first.
        assert (np.diff(mined.source)[np.diff(mined.scores) == 0] >= 0).all()


def test_more_neighbours_than_rows_are_all_rows():
    a, b = two_sides(3, 3)
    for found, expected in zip(mine_pairs(a, b, k=10), mine_pairs(a, b, k=3), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_neighbours_that_were_not_found_take_no_part():
    """Source 1 has none, source 0 one, whose mean is 0.8; with that of the target, 0.5, they make 0.65."""
    missing = -np.inf
    forward = Neighbours(np.array([[0, -1], [-1, -1]]), np.array([[0.8, missing], [missing, missing]]))
    backward = Neighbours(np.array([[0, 1]]), np.array([[0.8, 0.2]]))
    np.testing.assert_allclose(margin_scores(forward, backward, "ratio"), [[0.8 / 0.65, missing], [missing, missing]])
    for direction in ("forward", "backward", "intersect", "max"):
        pairs = choose_pairs(forward, backward, direction=direction)
        assert (pairs.source.tolist(), pairs.target.tolist()) == ([0], [0])


def test_a_ratio_to_a_mean_that_is_not_positive_is_no_pair():
    a = unit(np.array([[1, 0.1], [1, 0.2]]))
    assert len(mine_pairs(a, -a, margin="ratio").scores) == 0
    assert len(mine_pairs(a, -a, margin="distance").scores) == 2


# faiss is wrapped by SWIG, whose types Python 3.12 wants to have a module.
@pytest.mark.filterwarnings("ignore:builtin type .* has no __module__ attribute:DeprecationWarning")
def test_an_approximate_search_finds_the_same_pairs():
    a, b = two_sides(300, 300, seed=2)
    search = functools.partial(nearest_neighbours, method="ivf", effort=1000)
    np.testing.assert_array_equal(mine_pairs(a, b, search=search).target, mine_pairs(a, b).target)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": "ration"}, r"`margin` must be one of absolute, distance, ratio. Received: 'ration'\."),
        ({"direction": "both"}, r"`direction` must be one of forward, backward, intersect, max. Received: 'both'\."),
        ({"k": 0}, "`k` must be at least 1"),
    ],
)
def test_what_does_not_exist_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        mine_pairs(np.eye(3), np.eye(3), **options)
