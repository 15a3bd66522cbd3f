"""The `lealla` command: subcommands, and errors that end in one line."""

import argparse
import os
import sys
from collections.abc import Sequence

from absl import app, flags, logging
from absl.flags import argparse_flags

from lealla_tf import __version__
from lealla_tf.cli import embed, evaluate, experiment, export, mine, prepare, pretrain, score, train, vocabulary
from lealla_tf.errors import UserError

# In the order in which they are used.
COMMANDS = {
    "vocabulary": vocabulary,
    "pretrain": pretrain,
    "prepare": prepare,
    "train": train,
    "evaluate": evaluate,
    "experiment": experiment,
    "export": export,
    "embed": embed,
    "mine": mine,
    "score": score,
}


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse_flags.ArgumentParser(
        prog="lealla", description="Small multilingual sentence encoders: train, distil, evaluate, export, use."
    )
    parser.add_argument("--version", action="version", version=f"lealla {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one subcommand and exits: 0 for success, 1 for bad data, 2 for bad usage."""
    # Read by TensorFlow when a subcommand imports it. What it logs, errors too, is about itself: about
    # missing GPUs and graph versions. What goes wrong for a user is raised.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = make_parser()
    try:
        app.run(_run, argv=list(argv or sys.argv), flags_parser=lambda arguments: parser.parse_args(arguments[1:]))
    finally:
        _flush()


def _run(arguments: argparse.Namespace) -> int:
    """Runs the chosen subcommand; the user's mistakes become one line on standard error."""
    if not flags.FLAGS["verbosity"].present:  # on the command line; absl has set it to INFO by now
        logging.set_verbosity(logging.WARNING)
    try:
        code = arguments.run(arguments) or 0
        sys.stdout.flush()
        return code
    except UserError as error:
        _complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        _flush()
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _complain(f"{place}{error.strerror or error}.")
        return 1
    except KeyboardInterrupt:
        _complain("interrupted.")
        return 130


def _flush() -> None:
    """Writes what is left of the output, or drops it: a reader that has gone has what it wanted."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Or the interpreter would try again when it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str) -> None:
    """One line on standard error."""
    print(f"lealla: {' '.join(message.split())}", file=sys.stderr)
