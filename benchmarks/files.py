"""How fast files are answered, and in how much memory: short and long ones, here and by Ray.

    python benchmarks/files.py ARTIFACT TEXTS... [--rows 10000 1000000] [--ray 1 2] [--out r.json]

The texts are those of all tables given, in their order, and again from the first where there are
too few (how many are distinct is said). They stand with a number in a Parquet file, which the
command `paretext predict` answers into another, in a process of its own: rows per second from the
first look at the input to the published output, and the most memory that the process held. A long
file may take no more than a short one.

--ray N: the same with N workers of a Ray cluster on this machine, a node each. The start of workers
is part of the time, so what counts is by how much the longest file takes longer than the shortest:
rows_per_second_more. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from paretext.core.cores import available_cores
from paretext.core.files import sha256, write_json
from paretext.data.reading import read_texts
from paretext.measure.cost import machine


def write(path: Path, texts: list[str], rows: int) -> Path:
    """A Parquet file of that many rows, a piece at a time."""
    schema = pyarrow.schema([("id", "int64"), ("text", "string")])
    source = enumerate(itertools.islice(itertools.cycle(texts), rows))
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        while piece := list(itertools.islice(source, 65536)):
            numbers, some = zip(*piece, strict=True)
            writer.write_table(pyarrow.table({"id": numbers, "text": some}, schema=schema))
    return path


def answer(artifact: Path, source: Path, target: Path, *more: str) -> dict[str, Any]:
    """What one call of the command took."""
    words = ["predict", str(artifact), str(source), "-o", str(target), "--json", *more]
    child = subprocess.Popen([sys.executable, "-m", "paretext", *words], stdout=subprocess.PIPE)
    assert child.stdout is not None
    said = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"paretext {' '.join(words)} ended with {status}")
    figures = json.loads(said)
    return {
        "rows": figures["rows"],
        "seconds": round(figures["seconds"], 2),
        "rows_per_second": round(figures["rows"] / figures["seconds"], 1),
        "peak_memory_mb": round(used.ru_maxrss / 1024, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
    }


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """The address of a Ray cluster of as many nodes of one core, which listens on the loopback."""
    names = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "RAY_USAGE_STATS_ENABLED", "RAY_worker_niceness")
    os.environ.update(dict.fromkeys(names, "0"))
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 100 * 2**20}
    made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        for _ in range(workers - 1):
            made.add_node(**node)
        yield made.address
    finally:
        made.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifact", type=Path)
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ray", type=int, nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    texts = [text for path in asked.texts for text in read_texts(path, None, "skip")]
    print(f"{len(texts):,} texts, {len(set(texts)):,} of them distinct")
    result: dict[str, Any] = {"machine": machine(available_cores()), "cores": available_cores()}
    result |= {"artifact": asked.artifact.name, "distinct_texts": len(set(texts)), "files": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = {n: write(folder / f"{n}.parquet", texts, n) for n in asked.rows}
        for round_ in range(asked.rounds):
            for n, source in sources.items():
                row = answer(asked.artifact, source, folder / f"{n}-out.parquet")
                result["files"].append({**row, "round": round_})
                print(json.dumps(result["files"][-1]), flush=True)
        result["ray"] = []
        for round_, workers in itertools.product(range(asked.rounds), asked.ray):
            with cluster(workers) as address:
                made = []
                for n, source in sorted(sources.items()):
                    target = folder / "ray.parquet"
                    row = answer(asked.artifact, source, target, "--ray", address)
                    same = sha256(target) == sha256(folder / f"{n}-out.parquet")
                    made.append({**row, "workers": workers, "same_bytes": same, "round": round_})
            if len(made) > 1:
                seconds = made[-1]["seconds"] - made[0]["seconds"]
                more = round((made[-1]["rows"] - made[0]["rows"]) / seconds, 1)
                made[-1]["rows_per_second_more"] = more
            result["ray"] += made
            print(json.dumps(made), flush=True)
    if asked.out:
        write_json(asked.out, result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
