"""What a user of the command line can do wrong, as exceptions that end in one line.

Library constructors raise `ValueError` and `TypeError`.  The two classes here are for
what comes from outside: files, directories, handles, command lines.  `lealla` prints
their message as one line and exits with `exit_code`; it never prints a traceback for
them.
"""


class UserError(Exception):
    """A mistake that its maker can mend: what was wrong, where, and what to do."""

    exit_code = 1


class DataError(UserError):
    """A file or a directory is not what it has to be; names `path` or `path:line`."""

    exit_code = 1


class UsageError(UserError):
    """The command line or a configuration asks for something that does not exist."""

    exit_code = 2
