"""The command as a user meets it: in processes of its own, with a subcommand that does as it is told."""

import os
import subprocess
import sys

import pytest

import lealla_tf

# `lealla try WHAT`, beside the real subcommands.
PROGRAM = """
import sys, types
from lealla_tf.cli import main
from lealla_tf.errors import DataError, UsageError

def run(arguments):
    if arguments.what == "verbosity":
        from absl import logging
        print(logging.get_verbosity())
    elif arguments.what == "output":
        for number in range(int(arguments.count)):
            print(number)
    elif arguments.what == "code":
        return int(arguments.count)
    elif arguments.what != "nothing":
        raise {
            "data": DataError("a.tsv:3: is not\\n  text;\\tmend it."),
            "usage": UsageError("no such thing."),
            "file": FileNotFoundError(2, "No such file or directory", "there"),
            "disk": OSError(28, "No space left on device"),
            "bare": OSError("something"),
            "interrupt": KeyboardInterrupt(),
            "bug": ValueError("a bug"),
        }[arguments.what]

def add_arguments(parser):
    parser.add_argument("what")
    parser.add_argument("--count", default="0")

main.COMMANDS["try"] = types.SimpleNamespace(HELP="try something", add_arguments=add_arguments, run=run)
main.main()
"""


def lealla(*arguments, program=PROGRAM, **kwargs):
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False, **kwargs
    )


def test_help_is_quick_and_imports_nothing_heavy():
    program = PROGRAM.replace(
        "main.main()",
        "try:\n    main.main()\nfinally:\n"
        "    print(*({'tensorflow', 'keras', 'numpy', 'matplotlib'} & set(sys.modules)), file=sys.stderr)",
    )
    started = _processor_time_of_children()
    result = lealla("--help", program=program)
    seconds = _processor_time_of_children() - started
    assert result.returncode == 0
    assert result.stderr == "\n"
    for command in ("vocabulary", "prepare", "train", "evaluate", "export", "embed"):
        assert f"\n    {command}" in result.stdout
    assert seconds < 1


def _processor_time_of_children():
    """Seconds, of those that have ended; unlike elapsed time, nearly the same on a busy machine."""
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.parametrize("command", ["vocabulary", "prepare", "train", "evaluate", "export", "embed"])
def test_help_of_each_command(command):
    result = lealla(command, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith(f"usage: lealla {command} ")
    assert result.stderr == ""


def test_version():
    assert lealla("--version").stdout == f"lealla {lealla_tf.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch"], "lealla: error: argument COMMAND: invalid choice: 'nosuch'"),
        ([], "lealla: error: the following arguments are required: COMMAND"),
        (["try", "nothing", "--nosuch"], "error: unrecognized arguments: --nosuch"),
        (["train"], "lealla train: error: the following arguments are required: --output"),
        (["train", "--output=x", "--strategy=gpu"], "error: argument --strategy: invalid choice: 'gpu'"),
    ],
)
def test_usage(arguments, message):
    result = lealla(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [["--verbosity=1", "try", "verbosity"], ["try", "verbosity", "-v", "1"]])
def test_flags_of_absl_before_and_after_the_command(arguments):
    assert lealla("try", "verbosity").stdout == "-1\n", "what TensorFlow informs of is no concern of the user's"
    assert lealla(*arguments).stdout == "1\n"


@pytest.mark.parametrize(
    ("what", "code", "line"),
    [
        ("data", 1, "lealla: a.tsv:3: is not text; mend it.\n"),
        ("usage", 2, "lealla: no such thing.\n"),
        ("file", 1, "lealla: there: No such file or directory.\n"),
        ("disk", 1, "lealla: No space left on device.\n"),
        ("bare", 1, "lealla: something.\n"),
        ("interrupt", 130, "lealla: interrupted.\n"),
        ("nothing", 0, ""),
    ],
)
def test_what_goes_wrong_ends_in_one_line(what, code, line):
    result = lealla("try", what)
    assert (result.returncode, result.stderr) == (code, line)


def test_a_bug_is_not_hidden():
    result = lealla("try", "bug")
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "ValueError: a bug" in result.stderr


def test_a_command_s_own_exit_code():
    assert lealla("try", "code", "--count=130").returncode == 130


@pytest.mark.parametrize("arguments", [["try", "output", "--count=1"], ["try", "output", "--count=100000"], ["--help"]])
def test_a_reader_that_has_gone(arguments):
    """`lealla ... | head -1` is no error, however much was still to come."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM, "try", "output", "--count=1"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.startswith("lealla: No space left on device.\n")
    assert "Traceback" not in result.stderr
