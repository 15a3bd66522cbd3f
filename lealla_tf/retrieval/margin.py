"""Pairs that are translations of each other, by how far their similarity stands out among their neighbours'."""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from lealla_tf.retrieval.neighbours import Neighbours, nearest_neighbours
from lealla_tf.retrieval.vectors import Vectors

Margin = Literal["absolute", "distance", "ratio"]
Direction = Literal["forward", "backward", "intersect", "max"]

Rows = npt.NDArray[np.int64]

# Pairs whose vectors are in memory at a time.
_PAIRS = 4096

Search = Callable[[Vectors, Vectors, int], Neighbours]
"""From queries, a pool and k to neighbours: `nearest_neighbours`, or that with other options."""


class Pairs(NamedTuple):
    """Pairs of rows, from that of the highest score; of equal scores, from the lowest row of the source.

    Args:
        source: int64 of shape `(pairs,)`, rows of the source.
        target: int64 of shape `(pairs,)`, rows of the target.
        scores: Floats of shape `(pairs,)`.
    """

    source: npt.NDArray[np.int64]
    target: npt.NDArray[np.int64]
    scores: Vectors


def mine_pairs(
    source: Vectors,
    target: Vectors,
    *,
    k: int = 4,
    margin: Margin = "ratio",
    direction: Direction = "max",
    search: Search = nearest_neighbours,
) -> Pairs:
    """Pairs of rows of `source` and `target` with their margin scores, for a threshold to choose from.

    Every row is compared with its `k` nearest on the other side.  Memory holds a block of the
    products and both sides' neighbours, so the arrays may be memory-mapped.

    Args:
        source: Unit vectors of shape `(source, dim)`.
        target: Unit vectors of shape `(target, dim)`.
        k: Neighbours on either side; all rows of a side that has fewer.
        margin: As in `margin_scores`.
        direction: As in `choose_pairs`.
        search: What finds neighbours.

    Raises:
        ValueError: as in `nearest_neighbours`, and if `margin` or `direction` is unknown.

    Reference: Artetxe and Schwenk (arXiv 1811.01136), section 3.

    Example:
        >>> import numpy as np
        >>> pairs = mine_pairs(np.eye(3) + 0.1, np.eye(3)[[2, 0, 1]], k=2)
        >>> pairs.source.tolist(), pairs.target.tolist()
        ([0, 1, 2], [1, 2, 0])
    """
    _check_choice("margin", margin, Margin)
    _check_choice("direction", direction, Direction)
    forward = search(source, target, min(k, len(target)))
    backward = search(target, source, min(k, len(source)))
    return choose_pairs(forward, backward, margin=margin, direction=direction)


def margin_scores(neighbours: Neighbours, others: Neighbours, margin: Margin = "ratio") -> Vectors:
    """Scores of rows x with their neighbours y: their cosine against the mean over the neighbours of both.

        absolute  cos(x, y)
        distance  cos(x, y) - mean(x, y)
        ratio     cos(x, y) / mean(x, y)
        mean(x, y) = sum_{z in NN_k(x)} cos(x, z) / 2k + sum_{z in NN_k(y)} cos(y, z) / 2k

    A hub, which is near to everything, has a high mean and so low scores.  A ratio to a mean
    that is not positive has no meaning: it is -inf, as is the score with a neighbour that was not
    found.  Where a side has fewer than k rows, or an approximate search finds fewer, k is as many as there are.

    Args:
        neighbours: Of each x among all y.
        others: Of each y among all x.
        margin: `"absolute"`, `"distance"` or `"ratio"`.

    Returns:
        Floats of shape `(x, k)`, as `neighbours.indices`.

    Reference: Artetxe and Schwenk (arXiv 1811.01136), equations 2 to 4.
    """
    _check_choice("margin", margin, Margin)
    cosines = neighbours.similarities
    if margin == "absolute":
        return cosines.copy()
    rows = np.arange(len(cosines))[:, None]
    return _against_mean(cosines, _mean(neighbours, others, rows, neighbours.indices), margin)


def score_pairs(
    source: Vectors,
    target: Vectors,
    source_rows: Rows,
    target_rows: Rows,
    *,
    k: int = 4,
    margin: Margin = "ratio",
    search: Search = nearest_neighbours,
) -> Vectors:
    """Scores of given pairs of rows, as `margin_scores` defines them, whether they are neighbours or not.

    Args:
        source: Unit vectors of shape `(source, dim)`; may be memory-mapped.
        target: Unit vectors of shape `(target, dim)`; may be memory-mapped.
        source_rows: Rows of `source`, of shape `(pairs,)`.
        target_rows: The rows of `target` that they are paired with, of shape `(pairs,)`.
        k: As in `mine_pairs`.
        margin: As in `margin_scores`; `"absolute"` needs no neighbours.
        search: What finds neighbours.

    Returns:
        Floats of shape `(pairs,)`.

    Raises:
        ValueError: as in `mine_pairs`.
    """
    _check_choice("margin", margin, Margin)
    cosines = np.empty(len(source_rows), np.result_type(source, target, np.float32))
    for start in range(0, len(cosines), _PAIRS):
        part = slice(start, start + _PAIRS)
        cosines[part] = np.einsum("ij,ij->i", source[source_rows[part]], target[target_rows[part]])
    if margin == "absolute":
        return cosines
    forward = search(source, target, min(k, len(target)))
    backward = search(target, source, min(k, len(source)))
    return _against_mean(cosines, _mean(forward, backward, source_rows, target_rows), margin)


def choose_pairs(
    forward: Neighbours, backward: Neighbours, *, margin: Margin = "ratio", direction: Direction = "max"
) -> Pairs:
    """The best pair of every row, of one side or of both.

    Args:
        forward: The neighbours of each row of the source among those of the target.
        backward: The neighbours of each row of the target among those of the source.
        margin: As in `margin_scores`.
        direction: `"forward"` takes each row of the source with its best neighbour, `"backward"`
            each row of the target with its own, `"intersect"` the pairs that are in both, and
            `"max"` those of either from the highest score, unless one of the two is in a pair
            already.  Of neighbours of equal scores the nearest is the best.

    Raises:
        ValueError: if `margin` or `direction` is unknown.

    Reference: Artetxe and Schwenk (arXiv 1811.01136), section 3.
    """
    _check_choice("direction", direction, Direction)
    from_source = _best(forward, backward, margin)
    target, source, scores = _best(backward, forward, margin)
    from_target = Pairs(source, target, scores)
    if direction == "forward":
        return _sorted(from_source)
    if direction == "backward":
        return _sorted(from_target)
    if direction == "max":
        both = (np.concatenate(arrays) for arrays in zip(from_source, from_target, strict=True))
        return _each_row_once(_sorted(Pairs(*both)))
    # The best source of every target, -1 where it has none.
    best_source = np.full(len(backward.indices), -1)
    best_source[from_target.target] = from_target.source
    is_mutual = best_source[from_source.target] == from_source.source
    return _sorted(Pairs(*(array[is_mutual] for array in from_source)))


def _best(neighbours: Neighbours, others: Neighbours, margin: Margin) -> Pairs:
    """Each row that has neighbours, with the one of the highest score."""
    scores = margin_scores(neighbours, others, margin)
    rows = np.arange(len(scores))
    place = scores.argmax(axis=1)
    best = Pairs(rows, neighbours.indices[rows, place], scores[rows, place])
    found = best.scores > -np.inf
    return Pairs(*(array[found] for array in best))


def _mean(neighbours: Neighbours, others: Neighbours, rows: Rows, other_rows: Rows) -> Vectors:
    """The mean of two means: that of `rows` over their neighbours, and of `other_rows`, which they are paired with."""
    means, found = _means(neighbours)
    other_means, other_found = _means(others)
    sides = found[rows] + other_found[other_rows]
    return (means[rows] + other_means[other_rows]) / np.maximum(sides, 1)


def _against_mean(cosines: Vectors, mean: Vectors, margin: Margin) -> Vectors:
    """Cosines less the mean, or divided by it."""
    if margin == "distance":
        return cosines - mean
    return np.divide(cosines, mean, out=np.full_like(cosines, -np.inf), where=mean > 0)


def _means(neighbours: Neighbours) -> tuple[Vectors, Vectors]:
    """Over the neighbours of each row: the mean similarity, 0 if there are none, and 1, or 0 if there are none."""
    found = neighbours.indices >= 0
    counts = found.sum(axis=1, dtype=np.float32)
    return neighbours.similarities.sum(axis=1, where=found) / np.maximum(counts, 1), np.minimum(counts, 1)


def _sorted(pairs: Pairs) -> Pairs:
    """From the highest score; of equal scores, from the lowest rows."""
    order = np.lexsort((pairs.target, pairs.source, -pairs.scores))
    return Pairs(*(array[order] for array in pairs))


def _each_row_once(pairs: Pairs) -> Pairs:
    """Without those that hold a row of an earlier one."""
    sources: set[int] = set()
    targets: set[int] = set()
    kept = []
    for place, (source, target) in enumerate(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True)):
        if source not in sources and target not in targets:
            sources.add(source)
            targets.add(target)
            kept.append(place)
    return Pairs(*(array[kept] for array in pairs))


def _check_choice(name: str, value: str, choices: object) -> None:
    """Raises `ValueError` if `value` is none of a literal type's."""
    if value not in get_args(choices):
        raise ValueError(f"`{name}` must be one of {', '.join(get_args(choices))}. Received: {value!r}.")
