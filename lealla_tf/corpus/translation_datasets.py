"""Translation data sets of TensorFlow Datasets as sentence pairs."""

from collections.abc import Iterator
from typing import Any

from lealla_tf.corpus.filtering import Malformed, Pair
from lealla_tf.corpus.specification import matches_language, split_language_pair, split_tfds_path
from lealla_tf.errors import DataError

_BATCH = 4096


def read_translation_dataset(path: str, language_pair: str, malformed: Malformed) -> Iterator[list[Pair]]:
    """Yields the pairs of a prepared data set whose features are a `Translation`.

    Nothing is downloaded: a data set is prepared once, by TFDS' own `tfds build` or by a
    program of `data/`, and then found by name, without the code that prepared it.

    Args:
        path: `name/config[:version][:split][@data_dir]`; the split is `train` and the
            directory TFDS' own if they are not named.
        language_pair: like `en-de`; the features' languages match as `matches_language`
            says.
        malformed: called with a reason and the place (`path:example`) of what is skipped.

    Raises:
        DataError: if the data set or the split does not exist, is not prepared, is
            damaged, or does not hold both languages.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    name, split, data_dir = split_tfds_path(path)
    builder = _prepared(name, data_dir)
    features = builder.info.features
    if not isinstance(features, tfds.features.Translation):
        raise DataError(f"tfds:{name}: its features are {type(features).__name__}; name a data set of Translation.")
    if builder.info.file_format is not tfds.core.FileFormat.TFRECORD:
        kind = builder.info.file_format.value
        raise DataError(f"tfds:{name}: its files are of the format {kind}; prepare it with --file_format=tfrecord.")
    keys = [_matching(list(features), language, name) for language in split_language_pair(language_pair)]
    try:
        examples = builder.info.splits[split].num_examples
    except ValueError as error:  # an unknown split, or one that TFDS cannot parse
        splits = ", ".join(builder.info.splits)
        raise DataError(f"tfds:{name}: has no split {split!r}; its splits are {splits}.") from error
    if examples <= 0:
        raise DataError(f"tfds:{path}: the split {split} is empty; name another one.")
    count = 0
    try:
        for batch in _batches(builder, split):
            yield _decode(batch[keys[0]], batch[keys[1]], f"tfds:{path}", count, malformed)
            count += len(batch[keys[0]])
    except tf.errors.OpError as error:
        message = error.message.splitlines()[0]
        raise DataError(f"tfds:{path}:{count + 1}: is damaged ({message}); prepare it again.") from error
    if count != examples:
        raise DataError(f"tfds:{path}: is damaged (holds {count:,} of its {examples:,} pairs); prepare it again.")


def _batches(builder: Any, split: str) -> Iterator[Any]:
    """Yields a split in order, as dictionaries of language -> encoded sentences `(batch,)`."""
    import tensorflow as tf

    # `as_dataset` parses example by example, at a twentieth of the rate of parsing whole batches.
    features = {key: tf.io.FixedLenFeature((), tf.string) for key in builder.info.features}
    for part in builder.info.splits[split].file_instructions:
        records = tf.data.TFRecordDataset(part.filename).skip(part.skip).take(part.take).batch(_BATCH)
        yield from records.map(lambda batch: tf.io.parse_example(batch, features)).as_numpy_iterator()


def _prepared(name: str, data_dir: str) -> Any:
    """The builder of a data set that stands prepared on disk."""
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=data_dir or None)
    # ValueError is for an unknown name (as DatasetNotFoundError) or configuration, AssertionError
    # for an unknown version; their own texts list a thousand names.
    except (ValueError, AssertionError) as error:
        where = f" or in {data_dir}" if data_dir else ""
        raise DataError(
            f"tfds:{name}: no data set, configuration or version of this name is known to TFDS{where}; "
            "`tfds.list_builders()` gives the names, and @DATA_DIR behind it the directory of a local one."
        ) from error
    if not builder.is_prepared():
        raise DataError(
            f"tfds:{name}: is not prepared in {builder.data_path}; run `tfds build {name}`, or name the directory "
            "that holds it with @DATA_DIR."
        )
    return builder


def _matching(tags: list[str], language: str, name: str) -> str:
    """The one of the features' languages that is `language`."""
    for tag in tags:
        if matches_language(tag, language):
            return tag
    raise DataError(f"tfds:{name}: has no language {language}; its languages are {', '.join(tags)}.")


def _decode(sources: Any, targets: Any, path: str, start: int, malformed: Malformed) -> list[Pair]:
    """The pairs of one batch of encoded sentences; `start` examples came before it."""
    pairs = []
    for number, (source, target) in enumerate(zip(sources, targets, strict=True), start + 1):
        if b"\0" in source or b"\0" in target:
            malformed("nul_byte", f"{path}:{number}")
            continue
        try:
            pairs.append((source.decode("utf-8").strip(), target.decode("utf-8").strip()))
        except UnicodeDecodeError:
            malformed("not_utf8", f"{path}:{number}")
    return pairs
