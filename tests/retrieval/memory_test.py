"""A search among more vectors than memory should hold, from files, in both directions."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

MEASURE = """
import sys
import numpy as np
from lealla_tf.retrieval import nearest_neighbours

# What is mapped from files is left out: the system takes it back as soon as it has another use for it.
def anonymous():
    (line,) = (line for line in open("/proc/self/status") if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024

few, many = (np.load(name, mmap_mode="r") for name in sys.argv[1:])
peaks = []
note = lambda done, total: peaks.append(anonymous())
search = lambda a, b: nearest_neighbours(a, b, 1, block=2048, progress=note).indices[:, 0]
search(few, many[:20000]), search(many[:20000], few)  # imports TensorFlow and compiles
before = anonymous()
peaks.clear()
forward, backward = search(few, many), search(many, few)
own = np.arange(len(few))
print(max(peaks) - before, np.mean(forward == own), np.mean(backward[: len(few)] == own))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured as Linux tells it")
def test_a_large_pool_stays_in_its_file(tmp_path):
    """200,000 float16 vectors are 51 MB in their file, and would be 102 MB as what is multiplied.

    Memory may hold products, 4 MB for each of four threads on two cores; the first search, of fewer vectors, has
    taken most of that before.  Measured: 3 to 8 MB more.
    """
    random = np.random.default_rng(0)
    many = np.lib.format.open_memmap(tmp_path / "many.npy", "w+", np.float16, (200_000, 128))
    for start in range(0, len(many), 20_000):
        many[start : start + 20_000] = random.normal(size=(20_000, 128)) / 128**0.5
    np.save(tmp_path / "few.npy", many[:1000] + (0.02 * random.normal(size=(1000, 128))).astype(np.float16))
    command = [sys.executable, "-c", MEASURE, tmp_path / "few.npy", tmp_path / "many.npy"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    grown, forward, backward = map(float, run.stdout.split())
    assert (forward, backward) == (1, 1)
    assert grown < 40e6
