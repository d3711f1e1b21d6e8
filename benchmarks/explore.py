"""Wall clock and peak memory of `paretext explore` on generated rows.

    python benchmarks/explore.py [--rows 1000000] [--keep FOLDER] [--out result.json]

The rows are sentences of made-up words drawn by Zipf's law from 50,000, with real stop words, six
classes of the emotion data's imbalance that each prefer some words, a few repeats, conflicts,
leaks, near duplicates, odd characters and rows without text. Tokens are those of a byte-level BPE
trained on them. The process is measured from outside, interpreter and imports included. Ends with
one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from paretext.core.files import write_json
from paretext.data.tables import RowWriter
from paretext.measure.cost import machine
from paretext.profile.stop_words import stop_words

LABELS = ("joy", "sadness", "anger", "fear", "love", "surprise")
SHARES = np.array([5362, 4666, 2159, 1937, 1304, 572]) / 16_000
WORDS, PREFERRED = 50_000, 40
LETTERS = np.array(list("etaoinshrdlucmfwypvbgk"))


def vocabulary(generator: np.random.Generator) -> list[str]:
    """Stop words first, since they are the most frequent, then made-up words."""
    made = {
        "".join(generator.choice(LETTERS, size))
        for size in generator.integers(3, 10, 2 * WORDS).tolist()
    }
    return [*sorted(stop_words("en")), *sorted(made)][:WORDS]


def write_rows(path: Path, rows: int, seed: int, copies: list[str]) -> list[str]:
    """Write `rows` rows; some are texts of `copies`. Returns a few of the texts."""
    words = np.array(vocabulary(np.random.default_rng(0)), object)
    generator = np.random.default_rng(seed)
    weights = 1 / np.arange(1, len(words) + 1)
    cumulative = np.cumsum(weights / weights.sum())
    kept: list[str] = []
    with RowWriter(path, ["text", "label"]) as writer:
        for begin in range(0, rows, 10_000):
            n = min(10_000, rows - begin)
            labels = generator.choice(len(LABELS), n, p=SHARES)
            lengths = np.clip(generator.lognormal(2.8, 0.55, n).astype(int), 2, 200)
            drawn = np.searchsorted(cumulative, generator.random(int(lengths.sum())))
            own = generator.integers(0, PREFERRED, n)
            start = 0
            for i in range(n):
                end = start + int(lengths[i])
                chosen = words[drawn[start:end]].tolist()
                chosen[-1] = str(words[1000 + PREFERRED * int(labels[i]) + int(own[i])])
                text, start = " ".join(chosen), end
                kind = (begin + i) % 1000
                if kind == 1 and kept:
                    text = kept[-1]  # the same again, perhaps with another label
                elif kind == 2 and kept:
                    text = kept[-1] + " indeed"
                elif kind == 3 and copies:
                    text = copies[i % len(copies)]
                elif kind == 4:
                    text += " cafÃ©\u200b"
                elif kind == 5:
                    text = ""
                elif kind == 0:
                    kept.append(text)
                writer.write({"text": text, "label": LABELS[labels[i]]})
    return kept[:100]


def write_tokenizer(folder: Path, texts: list[str]) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=5000,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="folder for the rows, used again if there")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        train, held = folder / f"train-{options.rows}.csv", folder / "validation.csv"
        if not train.exists():
            texts = write_rows(train, options.rows, seed=1, copies=[])
            write_rows(held, 10_000, seed=2, copies=texts)
            write_tokenizer(folder / "tokenizer", texts)
        command = [sys.executable, "-m", "paretext", "explore", str(train), "--eval", str(held)]
        command += ["--model", str(folder / "tokenizer"), "--out", str(folder / "profile")]
        start, load = time.perf_counter(), os.getloadavg()[0]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        profile = json.loads((folder / "profile" / "profile.json").read_text(encoding="utf-8"))
    result = {
        "machine": machine(0),
        "load_before": load,
        "rows": options.rows,
        "texts": profile["checks"]["rows"],
        "file_bytes": train.stat().st_size if train.exists() else None,
        "seconds": round(seconds, 1),
        "peak_bytes": peak,
        "near_duplicates_compared": profile["near_duplicates"]["texts"],
        "label_errors_read": profile["label_errors"]["texts"],
    }
    print(f"{options.rows:,} rows: {seconds:.0f} s, peak {peak / 1e6:,.0f} MB")
    if options.out:
        write_json(options.out, result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
