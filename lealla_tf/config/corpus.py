"""What is learned from: which pairs, how they are mixed, and how they come in batches."""

from dataclasses import dataclass, field

from lealla_tf.config.rules import require, require_member


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """Which pairs are kept.  0 switches a limit off.

    `max_characters` bounds either side.  `max_length_ratio` bounds the longer side's
    characters over the shorter side's, after adding 10 to both, so that short sentences
    are not dropped for a word.  `script` drops pairs whose side is not mainly in a script
    that its language is written in.
    """

    max_characters: int = 1000
    max_length_ratio: float = 4.0
    identical: bool = True
    duplicates: bool = True
    script: bool = False

    def __post_init__(self) -> None:
        most = self.max_characters
        require(most >= 0, "`max_characters` must be 0 (off) or more.", max_characters=most)
        ratio = self.max_length_ratio
        require(ratio == 0 or ratio >= 1, "`max_length_ratio` must be 0 (off) or at least 1.", max_length_ratio=ratio)


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """Where the pairs come from and how languages are mixed.

    `files` are the values of `--corpus`, in order.  A language pair with a share p of all
    pairs is drawn with probability proportional to p ** temperature: 1 keeps the natural
    shares, 0 draws all languages equally often.
    """

    files: tuple[str, ...] = ()
    on_error: str = "skip"
    temperature: float = 1.0
    filter: FilterConfig = field(default_factory=FilterConfig)

    def __post_init__(self) -> None:
        require_member("on_error", self.on_error, ("skip", "stop"))
        require(0 <= self.temperature <= 1, "`temperature` must be in [0, 1].", temperature=self.temperature)


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """Shape of a batch.

    `size` counts pairs over all replicas (the N of the losses).  Sentences are cut at
    `length` tokens.  With `buckets`, a batch is padded to the smallest bucket that holds
    it instead of to `length`; batches are then formed from sentences of like length within
    a window of `window` batches.  With `chunk`, a replica embeds so many of its pairs at a
    time: the gradient is that of the whole batch, the memory that of a chunk, and the price a
    second forward pass.  0 embeds all at once.
    """

    size: int = 8192
    length: int = 128
    buckets: tuple[int, ...] = ()
    window: int = 50
    chunk: int = 0

    def __post_init__(self) -> None:
        require(self.size >= 2, "`size` must be at least 2: a batch of 1 has no negatives.", size=self.size)
        require(self.length >= 3, "`length` must be at least 3: [CLS], a piece, [SEP].", length=self.length)
        require(self.window >= 1, "`window` must be at least 1.", window=self.window)
        require(
            list(self.buckets) == sorted(set(self.buckets)) and all(3 <= b <= self.length for b in self.buckets),
            "`buckets` must rise and lie in [3, length].",
            buckets=self.buckets,
            length=self.length,
        )
        require(
            self.chunk == 0 or (self.chunk > 0 and self.size % self.chunk == 0),
            "`chunk` must divide `size`, or be 0 (off).",
            chunk=self.chunk,
            size=self.size,
        )


@dataclass(frozen=True, kw_only=True)
class PretrainingConfig:
    """What `lealla pretrain` learns from: text with hidden tokens, of one language or of two.

    `text` are the values of `--text`, in order: monolingual files.  A row of a batch is one
    side of a pair, or with the probability `translation` both sides, one after the other.
    `rate` is the share of tokens that are hidden, BERT's 0.15.
    """

    text: tuple[str, ...] = ()
    translation: float = 0.5
    rate: float = 0.15

    def __post_init__(self) -> None:
        require(0 <= self.translation <= 1, "`translation` must be in [0, 1].", translation=self.translation)
        require(0 < self.rate < 1, "`rate` must be in (0, 1).", rate=self.rate)
