"""Verifies an exported model as its receiver would: `python -m export.verify DIRECTORY`.

Prints what was found to be right, a line each, and exits with 0; or says in one line what is
wrong and exits with 1.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from lealla_tf.errors import UserError


def main(argv: Sequence[str] | None = None) -> int:
    """Verifies the directory that the command line names, and gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.verify", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("directory", help="what `lealla export` wrote, wherever it has been copied since")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-5,
        help="largest difference between vectors that should be equal (default: %(default)s; "
        "processors that round matrix products, such as GPUs with TF32, need 1e-3)",
    )
    arguments = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    from lealla_tf.saved_model.checking import check_export

    try:
        for line in check_export(arguments.directory, arguments.tolerance):
            print(line)
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
