"""What the processor offers to this process."""

import os
from pathlib import Path

FLAGS = Path("/proc/cpuinfo")


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself; elsewhere than on Linux nothing is known, and it is false."""
    lines = FLAGS.read_text().splitlines() if FLAGS.exists() else []
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return bool({"avx512_bf16", "amx_bf16"} & set(flags))
