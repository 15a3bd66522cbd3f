"""Languages mixed by temperature, shuffled by seed: the pairs of any step, at once."""

import zlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from lealla_tf.corpus.segments import Array, PairSource, Segment, concatenate


def mixing_probabilities(sizes: Sequence[int], temperature: float) -> Array:
    """p_l proportional to (n_l / sum n) ** temperature, `(languages,)`.

    Reference: Devlin et al., multilingual BERT's exponentially smoothed weighting.
    """
    shares = np.asarray(sizes, dtype=np.float64) / np.sum(sizes)
    weights = shares**temperature
    return weights / weights.sum()


class Mixture:
    """An endless, shuffled stream of pairs of several languages, cut into windows.

    Window w is a pure function of the corpus, the seed and w, whoever asks and whatever was
    asked before: this is what lets a run go on where it was killed.  Each language goes
    through its pairs without repetition; at each new pass its segments and the pairs within
    them are shuffled anew.

    Args:
        sources: The pairs by language pair, none of them empty.
        temperature: In [0, 1]; see `mixing_probabilities`.
        seed: Of the order and of the draws.
        window: Number of pairs in a window, which is also an attribute: `window_size`.

    Raises:
        ValueError: if there is no language, or one without pairs.
    """

    def __init__(self, sources: Mapping[str, PairSource], temperature: float, seed: int, window: int) -> None:
        empty = [language_pair for language_pair, source in sources.items() if not sum(source.sizes)]
        if not sources or empty:
            raise ValueError(f"Every language pair needs at least one pair. Received: {empty or 'no language pair'}.")
        self._streams = [_ShuffledSource(source, name, seed) for name, source in sorted(sources.items())]
        sizes = [sum(source.sizes) for _, source in sorted(sources.items())]
        self._shares = np.cumsum(mixing_probabilities(sizes, temperature))
        self._shares[-1] = 1.0
        self._seed = seed
        self.window_size = window
        self._starts = [np.zeros(len(sizes), dtype=np.int64)]

    def window(self, number: int) -> Segment:
        """The pairs of one window, `window_size` of them, in the order in which they are to be used."""
        starts, stops = self._start(number), self._start(number + 1)
        drawn = [
            part
            for stream, start, stop in zip(self._streams, starts, stops, strict=True)
            for part in stream.read(int(start), int(stop))
        ]
        order = np.random.default_rng([self._seed, number, 1]).permutation(self.window_size)
        return concatenate(drawn).take(order)

    def _start(self, number: int) -> Array:
        """How many pairs of each language the windows before `number` used, `(languages,)`."""
        while len(self._starts) <= number:
            offset = np.random.default_rng([self._seed, len(self._starts) - 1, 0]).random()
            # Systematic sampling: every count is its expectation rounded up or down, and they sum to the window.
            bounds = np.floor(self.window_size * self._shares + offset).astype(np.int64)
            bounds[-1] = self.window_size
            counts = np.diff(np.minimum(bounds, self.window_size), prepend=0)
            self._starts.append(self._starts[-1] + counts)
        return self._starts[number]


class _ShuffledSource:
    """One language's pairs, repeated for ever in an order that the seed decides."""

    def __init__(self, source: PairSource, name: str, seed: int) -> None:
        self._source = source
        self._key = [seed, zlib.crc32(name.encode())]
        self._total = sum(source.sizes)
        self._loaded: tuple[int, Segment] | None = None
        self._order: tuple[tuple[int, int], Array] | None = None

    def read(self, start: int, stop: int) -> Iterator[Segment]:
        """The pairs at the positions [start, stop) of the endless stream, in parts."""
        while start < stop:
            epoch, offset = divmod(start, self._total)
            number, offset = self._locate(epoch, offset)
            size = self._source.sizes[number]
            count = min(size - offset, stop - start)
            rows = self._permute(epoch, number)[offset : offset + count]
            yield self._load(number).take(rows)
            start += count

    def _locate(self, epoch: int, offset: int) -> tuple[int, int]:
        """The segment that holds a position of a pass, and the position within it."""
        order = np.random.default_rng([*self._key, epoch, 0]).permutation(len(self._source.sizes))
        bounds = np.cumsum(np.asarray(self._source.sizes)[order])
        place = int(np.searchsorted(bounds, offset, side="right"))
        return int(order[place]), offset - (int(bounds[place - 1]) if place else 0)

    def _permute(self, epoch: int, number: int) -> Array:
        """The order of a segment's pairs in a pass, the one used last from memory: a long one takes its time."""
        if self._order is None or self._order[0] != (epoch, number):
            order = np.random.default_rng([*self._key, epoch, number, 1]).permutation(self._source.sizes[number])
            self._order = (epoch, number), order
        return self._order[1]

    def _load(self, number: int) -> Segment:
        """A segment, the one loaded last from memory."""
        if self._loaded is None or self._loaded[0] != number:
            self._loaded = (number, self._source.load(number))
        return self._loaded[1]
