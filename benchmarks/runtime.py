"""How the runtime should use the cores: group size, threads of a session against parallel calls.

    python benchmarks/runtime.py ARTIFACT TEXTS.csv [--texts 2000] [--rounds 7] [--out result.json]

Measures, interleaved, texts per second from text to probabilities for

- naive: batches of 32 in the order of the data, padded to the longest, one session on all cores:
  the loop that people write around the same ONNX file;
- wide N: texts sorted by length in groups of about N tokens, one call after the other on all cores;
- parallel N: the same groups, one core a call, as many calls at a time as there are cores;
- artifact: what `Artifact.predict_proba` does;

and milliseconds at batch 1 with one core and with all. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from paretext.core.cores import available_cores
from paretext.core.files import write_json
from paretext.data.tables import read_rows
from paretext.measure.cost import machine
from paretext.runtime.artifact import Artifact, group_by_length
from paretext.runtime.manifest import Manifest

GROUPS = (64, 128, 192, 256, 512, 1024, 4096)


def session(folder: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        str(folder / Manifest.read(folder).model), options, providers=["CPUExecutionProvider"]
    )


def feed(ids: list[list[int]], pad: int) -> dict[str, np.ndarray]:
    longest = max(map(len, ids))
    tokens = np.full((len(ids), longest), pad, np.int64)
    mask = np.zeros_like(tokens)
    for row, values in enumerate(ids):
        tokens[row, : len(values)], mask[row, : len(values)] = values, 1
    return {"input_ids": tokens, "attention_mask": mask}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifact", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    cores, folder = available_cores(), options.artifact
    texts = [str(row["text"]) for row in read_rows(options.data)][: options.texts]
    manifest = Manifest.read(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(manifest.max_length)
    tokenizer.no_padding()
    narrow, wide, pool = session(folder, 1), session(folder, cores), ThreadPoolExecutor(cores)
    artifact = Artifact.load(folder)

    def encode(some: list[str]) -> list[list[int]]:
        return [each.ids for each in tokenizer.encode_batch_fast(some)]

    def naive() -> None:
        for start in range(0, len(texts), 32):
            wide.run(None, feed(encode(texts[start : start + 32]), manifest.pad_id))

    def groups(tokens: int) -> list[list[list[int]]]:
        ids = encode(texts)
        cut = group_by_length([len(row) for row in ids], tokens, cores)
        return [[ids[i] for i in group] for group in cut]

    def on_all_cores(tokens: int) -> None:
        for group in groups(tokens):
            wide.run(None, feed(group, manifest.pad_id))

    def side_by_side(tokens: int) -> None:
        def run(group: list[list[int]]) -> None:
            narrow.run(None, feed(group, manifest.pad_id))

        list(pool.map(run, groups(tokens)))

    ways: dict[str, Callable[[], object]] = {"naive": naive}
    for tokens in GROUPS:
        ways[f"wide {tokens}"] = lambda tokens=tokens: on_all_cores(tokens)
        ways[f"parallel {tokens}"] = lambda tokens=tokens: side_by_side(tokens)
    ways["artifact"] = lambda: artifact.predict_proba(texts)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    single: dict[str, list[float]] = {"1 core": [], f"{cores} cores": []}
    for index in range(options.rounds + 1):  # the first round is the warm-up
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            if index:
                rates[name].append(len(texts) / (time.perf_counter() - begin))
        for name, used in (("1 core", narrow), (f"{cores} cores", wide)):
            begin = time.perf_counter()
            for text in texts[:200]:
                used.run(None, feed(encode([text]), manifest.pad_id))
            if index:
                single[name].append((time.perf_counter() - begin) * 5)
    base = np.median(rates["naive"])
    for name, values in rates.items():
        low, middle, high = np.percentile(values, [25, 50, 75])
        print(
            f"{name:14} {middle:8.0f} texts/s [{low:.0f}, {high:.0f}] {middle / base:5.2f}x naive"
        )
    for name, values in single.items():
        print(f"batch 1, {name}: {np.median(values):.3f} ms")
    result = {
        "machine": machine(cores),
        "texts_per_second": {name: float(np.median(v)) for name, v in rates.items()},
        "batch1_ms": {name: float(np.median(v)) for name, v in single.items()},
    }
    if options.out:
        write_json(options.out, result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
