"""How the search is carried out: in blocks of bounded memory, compiled or not, from arrays on disk."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf

from lealla_tf.retrieval import blockwise, nearest_neighbours, neighbours, screening, selection


def random_vectors(rows, dim, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


def test_what_is_compiled_finds_the_same(monkeypatch):
    queries, pool = random_vectors(600, 20), random_vectors(1500, 20, seed=1)
    graphs = []
    monkeypatch.setattr(blockwise, "compiled", lambda update: graphs.append(1) or tf.function(update))
    compiled = nearest_neighbours(queries, pool, 5, block=128, precision="float32")
    assert graphs
    graphs.clear()
    monkeypatch.setattr(blockwise, "_WORTH_COMPILING", 1000)
    eager = nearest_neighbours(queries, pool, 5, block=128, precision="float32")
    assert not graphs
    np.testing.assert_array_equal(compiled.indices, eager.indices)
    np.testing.assert_array_equal(compiled.similarities, eager.similarities)


@pytest.mark.parametrize(
    ("precision", "update"), [("float32", selection.update_best), ("bfloat16", screening.update_best_screened)]
)
def test_a_search_of_many_blocks_is_traced_once(precision, update):
    before = selection.compiled(update).experimental_get_tracing_count()
    nearest_neighbours(random_vectors(1100, 6), random_vectors(900, 6), 3, block=128, precision=precision)
    assert selection.compiled(update).experimental_get_tracing_count() == before + 1


def test_bfloat16_is_chosen_where_the_processor_has_it(monkeypatch):
    chosen = []
    monkeypatch.setattr(neighbours, "search_blocks", lambda *_, screened, **__: chosen.append(screened) or (0, 0))
    for has in (True, False):
        monkeypatch.setattr(neighbours, "has_bfloat16", lambda has=has: has)
        nearest_neighbours(random_vectors(3, 4), random_vectors(3, 4), 1)
    assert chosen == [True, False]


def test_a_search_that_is_stopped_drops_what_is_left():
    queries, pool = random_vectors(40000, 4), random_vectors(100, 4)
    queries[600] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity in row 600"):
        nearest_neighbours(queries, pool, 1)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("search")]


def test_arrays_on_disk_are_read_in_blocks(tmp_path):
    """float16 on disk is half of float32; what is read of it becomes float32 before it is multiplied."""
    queries, pool = random_vectors(70, 12).astype(np.float16), random_vectors(1000, 12, seed=2).astype(np.float16)
    np.save(tmp_path / "queries.npy", queries)
    np.save(tmp_path / "pool.npy", pool)
    on_disk = [np.load(tmp_path / name, mmap_mode="r") for name in ("queries.npy", "pool.npy")]
    for precision in ("float32", "bfloat16"):
        found = nearest_neighbours(*on_disk, 4, block=128, precision=precision)
        expected = nearest_neighbours(queries.astype(np.float32), pool.astype(np.float32), 4)
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_allclose(found.similarities, expected.similarities, rtol=1e-6)


def test_every_block_of_the_pool_is_read_once():
    """A pool that lies on a disk is what takes longest to read."""
    reads = []

    class Observed(np.ndarray):
        def __getitem__(self, key):
            reads.append(key)
            return np.asarray(self)[key]

    pool = blockwise.Rows("pool", random_vectors(1000, 4).view(Observed), np.dtype(np.float32))
    queries = blockwise.Rows("queries", random_vectors(1200, 4), np.dtype(np.float32))
    blockwise.search_blocks(queries, pool, 2, block=320)
    assert reads == [slice(start, start + 256) for start in (0, 256, 512, 768)]


def test_progress_counts_products():
    seen = []
    nearest_neighbours(
        random_vectors(520, 4), random_vectors(130, 4), 1, block=64, progress=lambda *call: seen.append(call)
    )
    total = 520 * 130
    assert seen == [
        (done, total) for done in (64 * 512, 64 * 520, 64 * 520 + 64 * 512, 128 * 520, 128 * 520 + 2 * 512, total)
    ]


def test_gpus_multiply_in_full_precision_while_they_search():
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    assert enabled()
    seen = []
    nearest_neighbours(random_vectors(3, 4), random_vectors(3, 4), 1, progress=lambda *_: seen.append(enabled()))
    assert seen == [False]
    assert enabled()
    with pytest.raises(ValueError, match="finite"):
        nearest_neighbours(random_vectors(3, 4), np.full((3, 4), np.nan), 1)
    assert enabled()


MEASURE = """
import resource, sys
import numpy as np
from lealla_tf.retrieval import nearest_neighbours

queries, pool = (np.load(name, mmap_mode="r") for name in sys.argv[1:])
nearest_neighbours(queries[:5000], pool[:20000], 4, block=2048)  # imports TensorFlow and compiles
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
nearest_neighbours(queries, pool, 4, block=2048)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_pool(tmp_path):
    """All 5,000 x 60,000 products would be 1.1 GiB; those of 40,000 more rows may cost nothing but their pages."""
    for name, rows in (("queries.npy", 5000), ("pool.npy", 60000)):
        np.save(tmp_path / name, random_vectors(rows, 8))
    arguments = [sys.executable, "-c", MEASURE, tmp_path / "queries.npy", tmp_path / "pool.npy"]
    run = subprocess.run(arguments, capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(run.stdout) * unit < 40e6
