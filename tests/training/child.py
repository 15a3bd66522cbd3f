"""Run by the fixture `start`: a program with its arguments, its output sent to files."""

import os
import runpy
import sys

settings = globals()["SETTINGS"]  # given by the caller
for stream, name in ((1, "out"), (2, "err")):
    os.dup2(os.open(settings[name], os.O_WRONLY | os.O_APPEND), stream)
os.environ.update(settings["environment"])
sys.argv = [settings["program"], *settings["arguments"]]
runpy.run_path(settings["program"], run_name="__main__")
