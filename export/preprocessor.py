"""Writes the preprocessor of a vocabulary: `python -m export.preprocessor VOCABULARY --output DIRECTORY`.

For an encoder of the same format that was published without one, or whose own is not at hand:
`lealla prepare --teacher ENCODER --teacher-preprocessor DIRECTORY` then has a teacher.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from lealla_tf.errors import UsageError, UserError
from lealla_tf.files import MANIFEST, atomic_directory, sha256, write_json

KIND = "lealla-preprocessor"


def main(argv: Sequence[str] | None = None) -> int:
    """Writes what the command line asks for, and gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.preprocessor", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("vocabulary", help="one piece a line, in the order of the ids")
    parser.add_argument("--output", required=True, metavar="DIRECTORY", help="the SavedModel to write")
    parser.add_argument(
        "--mode",
        choices=("labse", "exact"),
        default="labse",
        help="tokenize as the published preprocessor of LaBSE does, or as Hugging Face's (default: %(default)s)",
    )
    parser.add_argument("--length", type=int, default=128, help="tokens in a row by default (default: %(default)s)")
    arguments = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        write(arguments.vocabulary, arguments.output, arguments.mode, arguments.length)
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(arguments.output)
    return 0


def write(vocabulary_file: str, output: str, mode: str, length: int) -> None:
    """Writes the SavedModel, with a manifest beside it, at once or not at all.

    Raises:
        UserError: for a file that is no vocabulary, a length without room, or an output
            that holds something else.
    """
    from lealla_tf.saved_model.writing import write_preprocessor
    from lealla_tf.text.tokenizer import Tokenizer
    from lealla_tf.text.vocabulary import Vocabulary

    if length < 5:
        raise UsageError(f"--length must be at least 5. Received: {length}.")
    vocabulary = Vocabulary.from_file(vocabulary_file)
    with atomic_directory(output) as temporary:
        write_preprocessor(temporary, Tokenizer(vocabulary, mode), length)
        files = sorted(path for path in temporary.rglob("*") if path.is_file())
        manifest = {
            "kind": KIND,
            "vocabulary": {"size": len(vocabulary), "sha256": vocabulary.fingerprint},
            "text_mode": mode,
            "sequence_length": length,
            "files": {path.relative_to(temporary).as_posix(): sha256(path) for path in files},
        }
        write_json(temporary / MANIFEST, manifest)


if __name__ == "__main__":
    sys.exit(main())
