"""How fast nearest neighbours are found: our exact search against others', and approximate search."""

# ruff: noqa: T201  a program prints

import argparse
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from benchmarks.measured import write_measured
from benchmarks.searches import SEARCHES, Array, Found
from lealla_tf.retrieval import nearest_neighbours

OPPONENT = "faiss flat"

# Two float32 sums of the products of unit vectors of up to 768 dimensions differ by less.
ROUNDING = 1e-6

# Queries for which memory is measured.
MEASURED_FOR_MEMORY = 8192

EFFORTS = {"ivf": (8, 32, 128), "hnsw": (32, 128)}

Result = dict[str, Any]


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=200_000, help="rows to look for (default: 200000)")
    parser.add_argument("--pool", type=int, default=200_000, help="rows to look among (default: 200000)")
    parser.add_argument(
        "--dim", type=int, nargs="+", default=[128, 192, 256, 768], help="widths (default: 128 192 256 768)"
    )
    parser.add_argument("--k", type=int, default=4, help="neighbours (default: 4)")
    parser.add_argument("--turns", type=int, default=10, help="parts of the queries, searched by turns (default: 10)")
    parser.add_argument("--searches", nargs="+", choices=SEARCHES, default=list(SEARCHES), help="default: all")
    parser.add_argument(
        "--embeddings",
        nargs="+",
        default=[],
        metavar="FILE.npy",
        help="real vectors for random ones: a pool, and queries if a second is named, or else some of its rows",
    )
    parser.add_argument(
        "--on-disk", choices=["float16", "float32"], help="leave the pool on disk, in this type; ours float32 alone"
    )
    parser.add_argument("--output", default="", metavar="FILE.json", help="where to write the figures")
    return parser.parse_args()


def write_random(path: Path, rows: int, dim: int, dtype: str, seed: int) -> Path:
    """Random vectors of unit length, written block by block."""
    random = np.random.default_rng(seed)
    array = np.lib.format.open_memmap(path, "w+", dtype, (rows, dim))
    for start in range(0, rows, 65536):
        block = random.standard_normal((min(65536, rows - start), dim), np.float32)
        array[start : start + len(block)] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return path


def data(arguments: argparse.Namespace, directory: Path) -> Iterator[tuple[Path, Path]]:
    """Files of queries and of a pool: those named, or random ones of each width."""
    queries, pool = directory / "queries.npy", directory / "pool.npy"
    if not arguments.embeddings:
        for dim in arguments.dim:
            yield (
                write_random(queries, arguments.queries, dim, "float32", 0),
                write_random(pool, arguments.pool, dim, arguments.on_disk or "float32", 1),
            )
        return
    rows = [np.load(path, mmap_mode="r") for path in arguments.embeddings]
    random = np.random.default_rng(0)
    chosen = np.sort(random.permutation(len(rows[-1]))[: arguments.queries])
    np.save(queries, rows[-1][chosen].astype(np.float32))
    rest = np.setdiff1d(np.arange(len(rows[0])), chosen) if len(rows) == 1 else np.arange(len(rows[0]))
    np.save(pool, rows[0][rest[: arguments.pool]].astype(np.float32))
    yield queries, pool


def by_turns(names: Sequence[str], queries: Array, pool: Array, k: int, turns: int) -> list[Result]:
    """Seconds of each search for each part of the queries, and how what it found differs from faiss's.

    Who begins changes with every part; each search has seen 4,608 queries and the pool before.
    """
    searches = {name: SEARCHES[name](pool, k) for name in names}
    for search in searches.values():
        search(queries[:4608])
    results = []
    for turn, part in enumerate(np.array_split(queries, turns)):
        found: dict[str, Found] = {}
        seconds, processor_seconds = {}, {}
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started, processor_started = time.perf_counter(), time.process_time()
            found[name] = searches[name](part)
            seconds[name] = time.perf_counter() - started
            processor_seconds[name] = time.process_time() - processor_started
        for name in names:
            differences = compared(found[name][0], found[OPPONENT][0], part, pool) if OPPONENT in found else {}
            times = {"seconds": seconds[name], "processor_seconds": processor_seconds[name]}
            results.append({"search": name, "turn": turn, **times, **differences})
        print(f"  turn {turn + 1} of {turns}: " + ", ".join(f"{name} {seconds[name]:.2f} s" for name in names))
    return results


def compared(found: Array, expected: Array, queries: Array, pool: Array) -> Result:
    """How many of the indices are the same, and how many of the others are so by rounding alone.

    The i-th neighbour found for a query is the same by rounding if its product with the query,
    in float64, is within `ROUNDING` of that of the i-th neighbour expected.
    """
    rows, places = np.nonzero(found != expected)
    exact = queries[rows].astype(np.float64)
    products = [np.einsum("nd,nd->n", exact, pool[indices[rows, places]]) for indices in (found, expected)]
    by_rounding = int(np.sum(np.abs(products[0] - products[1]) <= ROUNDING))
    shared = sum(np.sum(found == expected[:, [place]]) for place in range(expected.shape[1]))
    return {
        "neighbours": found.size,
        "same": found.size - len(rows),
        "same_by_rounding": by_rounding,
        "different": len(rows) - by_rounding,
        "recall": float(shared / expected.size),
    }


def peak_memory(name: str, queries: Path, pool: Path, k: int, *, limit: int | None, on_disk: bool) -> Result:
    """Seconds, and the memory that a search takes besides the arrays, in a process of its own.

    What is counted is anonymous memory, a hundred times a second: pages of a file that is read through
    a map are not, as they are given back when memory is wanted.
    """
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(_peak_memory, (name, queries, pool, k, limit, on_disk))


def _peak_memory(name: str, queries_path: Path, pool_path: Path, k: int, limit: int | None, on_disk: bool) -> Result:
    """`peak_memory` in the process that it started."""
    queries, pool = np.load(queries_path)[:limit], np.load(pool_path, mmap_mode="r" if on_disk else None)
    SEARCHES[name](pool[:64], k)(queries[:64])  # imports what it needs
    before = _anonymous_memory()
    peak, ended = before, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.01):
            peak = max(peak, _anonymous_memory())

    watching = threading.Thread(target=watch)
    watching.start()
    started = time.perf_counter()
    SEARCHES[name](pool, k)(queries)
    seconds = time.perf_counter() - started
    ended.set()
    watching.join()
    return {"search": name, "queries": len(queries), "seconds": seconds, "mebibytes": peak - before}


def _anonymous_memory() -> float:
    """MiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def approximate(queries: Array, pool: Array, k: int) -> list[Result]:
    """Time and recall of each approximate method at several efforts; recall is of what the exact search finds."""
    started = time.perf_counter()
    exact = nearest_neighbours(queries, pool, k).indices
    results: list[Result] = [{"method": "exact", "search_seconds": time.perf_counter() - started, "recall": 1.0}]
    for method, efforts in EFFORTS.items():
        for effort in efforts:
            built = []

            def progress(done: int, total: int, built: list[float] = built) -> None:
                if done == len(pool):
                    built.append(time.perf_counter())

            started = time.perf_counter()
            found = nearest_neighbours(queries, pool, k, method=method, effort=effort, progress=progress)
            results.append(
                {
                    "method": method,
                    "effort": effort,
                    "build_seconds": built[0] - started,
                    "search_seconds": time.perf_counter() - built[0],
                    "recall": compared(found.indices, exact, queries, pool)["recall"],
                }
            )
    return results


def print_exact(results: Sequence[Result], memory: Sequence[Result], queries: int) -> None:
    """A line a search; the ratios to faiss are of the same part of the queries."""
    opponent = {result["turn"]: result["seconds"] for result in results if result["search"] == OPPONENT}
    columns = f"{'':16}{'seconds':>9}{'processor':>10}{'queries/s':>11}{'x faiss: median (least, most)':>32}{'MiB':>8}"
    print(f"  {columns}  same, by rounding, not")
    for name in dict.fromkeys(result["search"] for result in results):
        rows = [result for result in results if result["search"] == name]
        seconds = sum(row["seconds"] for row in rows)
        processor = sum(row["processor_seconds"] for row in rows)
        line = f"  {name:16}{seconds:9.1f}{processor:10.1f}{queries / seconds:11,.0f}"
        if opponent:
            ratios = [opponent[row["turn"]] / row["seconds"] for row in rows]
            line += f"{statistics.median(ratios):17.2f} ({min(ratios):5.2f}, {max(ratios):5.2f})"
        line += f"{next(row['mebibytes'] for row in memory if row['search'] == name):8,.0f}"
        if opponent:
            counts = (sum(row[kind] for row in rows) for kind in ("same", "same_by_rounding", "different"))
            line += "  " + ", ".join(f"{count:,}" for count in counts)
        print(line)


def print_approximate(results: Sequence[Result], k: int) -> None:
    """A line a method and effort."""
    print(f"  {'':12}{'build s':>9}{'search s':>10}{f'recall@{k}':>10}")
    for row in results:
        name = f"{row['method']} {row.get('effort', '')}"
        print(f"  {name:12}{row.get('build_seconds', 0):9.1f}{row['search_seconds']:10.1f}{row['recall']:10.4f}")


def measure(arguments: argparse.Namespace, queries_path: Path, pool_path: Path) -> Result:
    """Everything that is asked for about these two arrays, printed as it comes."""
    on_disk = arguments.on_disk is not None
    queries, pool = np.load(queries_path, mmap_mode="r"), np.load(pool_path, mmap_mode="r" if on_disk else None)
    facts = {"queries": len(queries), "pool": len(pool), "dim": pool.shape[1]}
    print(f"{len(queries):,} x {len(pool):,}, {pool.shape[1]} dimensions, k = {arguments.k}", flush=True)
    if on_disk:
        row = peak_memory("ours float32", queries_path, pool_path, arguments.k, limit=None, on_disk=True)
        size = pool_path.stat().st_size / 2**20
        print(f"  {row['seconds']:.1f} s, {row['mebibytes']:,.0f} MiB besides the queries; {size:,.0f} MiB on disk")
        return {**facts, "on_disk": row}
    memory = [
        peak_memory(name, queries_path, pool_path, arguments.k, limit=MEASURED_FOR_MEMORY, on_disk=False)
        for name in arguments.searches
    ]
    exact = by_turns(arguments.searches, np.array(queries), pool, arguments.k, arguments.turns)
    print_exact(exact, memory, len(queries))
    results: Result = {**facts, "exact": exact, "memory": memory}
    if arguments.embeddings:
        results["approximate"] = approximate(queries, pool, arguments.k)
        print_approximate(results["approximate"], arguments.k)
    return results


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as directory:
        results = [measure(arguments, *paths) for paths in data(arguments, Path(directory))]
    write_measured(arguments, ("tensorflow", "numpy", "faiss-cpu"), {"results": results})


if __name__ == "__main__":
    main()
