"""What other work on the machine does to the figures: the same comparison, quiet and with every
core burnt.

    python benchmarks/busy.py PYTORCH_FOLDER ARTIFACT... --eval texts.csv [--rounds 5]

The ratio of PyTorch to each artifact is measured twice: as the machine is, and while two processes
a core do nothing but count. Under load each ratio has to stay within 25% of the quiet one, or be
marked: a range, or "busy". Ends with one JSON line; exit status 1 if a ratio is wrong and unmarked,
2 if the machine was not quiet to begin with, so that nothing can be said.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from paretext.core.cores import available_cores
from paretext.core.files import write_json
from paretext.data.tables import read_rows
from paretext.measure.cost import Cost, Target, benchmark, machine, times_faster
from paretext.measure.rounds import MOST_SPREAD
from paretext.report.numbers import faster

TIMES = ("batch1_ms_p50", "batch32_ms_per_text")


def measured(targets: list[Target], texts: list[str], rounds: int) -> dict[str, Cost]:
    return {name: m.cost for name, m in benchmark(targets, texts, rounds=rounds).items()}


def cores(cost: Cost) -> float:
    """The fewest that it had in one of its timings."""
    return min(
        each.cpu_seconds / each.wall_seconds
        for one in cost.rounds
        for each in one.conditions.values()
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pytorch", type=Path)
    parser.add_argument("artifacts", type=Path, nargs="+")
    parser.add_argument("--eval", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    texts = [str(row["text"]) for row in read_rows(options.eval)][: options.texts]
    targets = [Target("pytorch", options.pytorch, "pytorch")]
    targets += [Target(folder.name, folder) for folder in options.artifacts]
    quiet = measured(targets, texts, options.rounds)
    burners = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(2 * available_cores())
    ]
    try:
        loaded = measured(targets, texts, options.rounds)
    finally:
        for each in burners:
            each.kill()
            each.wait()
    rows: list[dict[str, Any]] = []
    for target in targets[1:]:
        for time in TIMES:
            before, after = (
                times_faster(costs["pytorch"], costs[target.name], time)
                for costs in (quiet, loaded)
            )
            apart = before and after and after.estimate / before.estimate
            holds = after is None or not after.steady or (apart or 0) > 1 / MOST_SPREAD
            holds = holds and (after is None or not after.steady or (apart or 0) < MOST_SPREAD)
            rows.append(
                {
                    **{"version": target.name, "time": time},
                    **{"quiet": faster(before), "loaded": faster(after), "holds": bool(holds)},
                }
            )
            print(f"{target.name} {time}: quiet {faster(before)}, loaded {faster(after)}")
    result = {
        "machine": machine(available_cores()),
        "cores": {
            name: {target.name: round(cores(costs[target.name]), 3) for target in targets}
            for name, costs in (("quiet", quiet), ("loaded", loaded))
        },
        "unsteady": {
            name: {target.name: costs[target.name].unsteady for target in targets}
            for name, costs in (("quiet", quiet), ("loaded", loaded))
        },
        "rows": rows,
    }
    if options.out:
        write_json(options.out, result)
    print(json.dumps(result))
    if any(cost.unsteady for cost in quiet.values()):
        return 2
    return 0 if all(row["holds"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
