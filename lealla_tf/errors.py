"""What a user of the command line can do wrong, as exceptions that end in one line.

Library constructors raise `ValueError` and `TypeError`.  The two classes here are for
what comes from outside: files, directories, handles, command lines.  `lealla` prints
their message as one line and exits with `exit_code`; it never prints a traceback for
them.
"""

import re


class UserError(Exception):
    """A mistake that its maker can mend: what was wrong, where, and what to do."""

    exit_code = 1


class DataError(UserError):
    """A file or a directory is not what it has to be; names `path` or `path:line`."""

    exit_code = 1


class UsageError(UserError):
    """The command line or a configuration asks for something that does not exist."""

    exit_code = 2


def reason(error: Exception) -> str:
    """What an error of the operating system or of TensorFlow says, in one line, without the names of files.

    TensorFlow's hold the name of the file that was being written, which is a temporary one,
    and those of its operators.

    Example:
        >>> reason(OSError(28, "No space left on device", "a.txt"))
        'No space left on device'
    """
    text = str(getattr(error, "message", None) or getattr(error, "strerror", None) or error)
    line = re.sub(r"\{\{.*?\}\} ?| ?\[Op:.*", "", text.strip().splitlines()[0])
    return line.rpartition("; ")[2].rstrip(". ")
