"""Run by the fixture `start`: a program with its arguments, its output sent to files."""

import os
import runpy
import sys

# Given by the caller.
PROGRAM: str
ARGUMENTS: list[str]
OUT: str
ERR: str
ENVIRONMENT: dict[str, str]

for stream, path in ((1, OUT), (2, ERR)):
    os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), stream)
os.environ.update(ENVIRONMENT)
sys.argv = [PROGRAM, *ARGUMENTS]
runpy.run_path(PROGRAM, run_name="__main__")
