"""How long a training step takes: ours against sentence-transformers, on the same model, batches and loss."""

# ruff: noqa: T201  a program prints

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.measured import write_measured
from benchmarks.trainers import TRAINERS, Task, write_weights
from lealla_tf.presets import PAPER_PRESETS, PRESETS

Result = dict[str, Any]

# Losses of the same weights on the same batch, in float32, differ by less.
AGREEMENT = 1e-3

_trainer: Any = None


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=PAPER_PRESETS, default="lealla_small", help="default: lealla_small")
    parser.add_argument("--pairs", type=int, default=64, help="in a batch (default: 64)")
    parser.add_argument("--length", type=int, default=16, help="tokens of a sentence (default: 16)")
    parser.add_argument("--chunk", type=int, default=0, help="pairs embedded at a time (default: 0, all)")
    parser.add_argument("--turns", type=int, default=10, help="of all of them (default: 10)")
    parser.add_argument("--steps", type=int, default=3, help="in a turn (default: 3)")
    parser.add_argument("--trainers", nargs="+", choices=TRAINERS, default=list(TRAINERS), help="default: all")
    parser.add_argument("--against", choices=TRAINERS, default="torch, SparseAdam", help="default: torch, SparseAdam")
    parser.add_argument("--output", default="", metavar="FILE.json", help="where to write the figures")
    return parser.parse_args()


def start(name: str, task: Task) -> None:
    """Makes the trainer of this process."""
    global _trainer
    _trainer = TRAINERS[name](task)


def first_loss() -> float:
    """Of the trainer of this process."""
    return float(_trainer.loss())


def take_steps(count: int) -> list[float]:
    """Seconds of each."""
    seconds = []
    for _ in range(count):
        started = time.perf_counter()
        _trainer.step()
        seconds.append(time.perf_counter() - started)
    return seconds


def peak_memory() -> float:
    """MiB that this process has held at once, its libraries among them."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What it returns."""
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(function, arguments)


def by_turns(processes: dict[str, Pool], turns: int, steps: int) -> list[Result]:
    """The seconds of all steps; who begins changes with every turn."""
    names = list(processes)
    results = []
    for turn in range(turns):
        seconds = {}
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            load = os.getloadavg()[0]
            seconds[name] = processes[name].apply(take_steps, (steps,))
            results.append({"trainer": name, "turn": turn, "seconds": seconds[name], "load": load})
        shown = "; ".join(f"{name} {min(times):.3f} s" for name, times in seconds.items())
        print(f"  turn {turn + 1} of {turns}: {shown}", flush=True)
    return results


def print_table(results: Sequence[Result], losses: dict[str, float], memory: dict[str, float], against: str) -> None:
    """A line a trainer; the ratios are of the mean steps of the same turn."""
    by_name = {name: [row for row in results if row["trainer"] == name] for name in memory}
    print(f"  {'':24}{'median s':>9}{'least':>8}{'pairs/s':>9}{f'x {against}':>30}{'peak MiB':>10}{'first loss':>12}")
    for name, rows in by_name.items():
        seconds = [second for row in rows for second in row["seconds"]]
        line = f"  {name:24}{statistics.median(seconds):9.3f}{min(seconds):8.3f}"
        line += f"{rows[0]['pairs'] / statistics.median(seconds):9,.0f}"
        if against in by_name:
            ratios = [
                statistics.mean(theirs["seconds"]) / statistics.mean(row["seconds"])
                for row, theirs in zip(rows, by_name[against], strict=True)
            ]
            line += f"{statistics.median(ratios):15.2f} ({min(ratios):4.2f}, {max(ratios):4.2f})"
        print(f"{line}{memory[name]:10,.0f}{losses[name]:12.5f}")


def measure(arguments: argparse.Namespace, directory: Path) -> Result:
    """All that is asked for."""
    weights = directory / "weights.npz"
    in_own_process(write_weights, arguments.preset, weights)
    rows = PRESETS[arguments.preset].encoder.vocabulary_size
    task = Task(arguments.preset, weights, arguments.pairs, arguments.length, arguments.chunk, rows)
    context = multiprocessing.get_context("spawn")
    processes = {name: context.Pool(1, start, (name, task)) for name in arguments.trainers}
    try:
        losses = {name: process.apply(first_loss) for name, process in processes.items()}
        if max(losses.values()) - min(losses.values()) > AGREEMENT:
            raise SystemExit(f"The losses of the first batch are not the same: {losses}.")
        for process in processes.values():
            process.apply(take_steps, (1,))  # traced, compiled, allocated
        results = by_turns(processes, arguments.turns, arguments.steps)
        memory = {name: process.apply(peak_memory) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.terminate()
    results = [{**row, "pairs": arguments.pairs} for row in results]
    print_table(results, losses, memory, arguments.against)
    return {"steps": results, "first_loss": losses, "peak_mebibytes": memory}


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    print(f"{arguments.preset}: {arguments.pairs:,} pairs x {arguments.length} tokens, chunk {arguments.chunk}")
    with tempfile.TemporaryDirectory() as directory:
        results = measure(arguments, Path(directory))
    write_measured(arguments, ("tensorflow", "torch", "sentence-transformers"), results)


if __name__ == "__main__":
    main()
