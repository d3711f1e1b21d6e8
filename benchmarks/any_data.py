"""Does the main job end on any data? A table of how `paretext run` ends on real and on odd texts.

    python benchmarks/any_data.py DATA_FOLDER --out runs/any-data

DATA_FOLDER holds a folder a data set, each with train.csv and validation.csv of one text and one
label a row; they are cut to 20, 200 and 1,500 rows. A folder `cases` beside it may hold more
(NAME.csv, and NAME-held-out.csv to measure on). Then come generated sets (`tests/odd_data.py`).
Each is run as a user would, with TF-IDF and a tiny untrained encoder for one epoch, and must end in
a table or in one sentence with exit status 2; anything else is a fault, and the script's own exit
status is then 1.

Prints a Markdown table. Started again with the same --out it goes on where it was: sets that ended
well are not run again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from page import table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import odd_data
import tiny

CUTS = (20, 200, 1500)
PAIRED = {"short-texts": "long-texts"}
"""Cases that are measured on another case."""
OPTIONS = (
    *("--rounds", "1", "--epochs", "1", "--device", "cpu", "--precision", "fp32"),
    *("--max-length", "64", "--threads", "1"),
)
Rows = odd_data.Rows


@dataclass(frozen=True)
class Job:
    """Texts to train and to measure on; arguments of its own."""

    name: str
    rows: Callable[[], tuple[Rows, Rows]]
    arguments: tuple[str, ...] = ()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder of data sets")
    parser.add_argument("--out", type=Path, default=Path("runs/any-data"))
    parser.add_argument("--only", default="", help="sets whose name has this in it")
    parser.add_argument("--seconds", type=float, default=600, help="at most for each")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for job in (*real(options.data), *generated()):
        if options.only in job.name:
            rows.append(ended(job, options.out, options.seconds))
            print(json.dumps(rows[-1], ensure_ascii=False), file=sys.stderr, flush=True)
    head = ("set", "rows", "classes", "outcome", "seconds")
    print(table([head, *([str(row[name]) for name in head] for row in rows)]))
    faults = sum(not row["well"] for row in rows)
    print(json.dumps({"sets": len(rows), "faults": faults}))
    return 1 if faults else 0


def real(folder: Path) -> Iterator[Job]:
    """The sets of a folder, cut; then the cases beside it, whole."""
    for path in sorted(folder.iterdir()):
        files = [path / "train.csv", path / "validation.csv"]
        if all(file.is_file() for file in files) and len(_header(files[0])) == 2:
            for cut in CUTS:
                yield Job(f"{path.name}, {cut} rows", lambda files=files, n=cut: _read(files, n))
    cases = folder.parent / "cases"
    for path in sorted(cases.glob("*.csv")) if cases.is_dir() else ():
        if not path.stem.endswith("-held-out"):
            held = cases / f"{PAIRED.get(path.stem, path.stem + '-held-out')}.csv"
            files = [path, held if held.is_file() else path]
            yield Job(f"case {path.stem}", lambda files=files: _read(files, 1500))


def generated() -> Iterator[Job]:
    """Sets that nobody would call normal, measured on changed copies; and odd pairs."""
    for name, make in odd_data.SETS.items():
        yield Job(name, lambda make=make: _with_third(make()))
    two = odd_data.many_classes(2, 40)
    yield Job(
        "evaluation of one class", lambda: (two, _copies([r for r in two if r[1] == two[0][1]]))
    )
    yield Job("evaluation of one text", lambda: (two, _copies(two[:1])))
    yield Job(
        "evaluation with a new label", lambda: (two, [*_copies(two[:9]), ("what", "is this")])
    )
    yield Job("blank but one", lambda: _with_third([("", "a")] * 9 + [("words at last", "b")]))
    yield Job(
        "blank but one, skipped",
        lambda: _with_third([("words at last", "b")] + [("", "a")] * 9),
        ("--on-bad-row", "skip"),
    )
    uneven = [*odd_data.many_classes(1, 2000), ("a rare one", "rare"), ("as rare", "rare")]
    yield Job(
        "2,000 to 2, copied", lambda: (uneven, _copies(uneven[-300:])), ("--supersample", "auto")
    )
    yield Job(
        "2,000 to 2, unweighted", lambda: (uneven, _copies(uneven[-300:])), ("--no-class-weights",)
    )


def _in_a_process(words: list[str], log: Path, seconds: float) -> int | None:
    """The exit status of `paretext` with these words, which writes to `log`; None: it hangs."""
    with log.open("w", encoding="utf-8") as file:
        # A session of its own, so that what it started ends with it.
        process = subprocess.Popen(
            [sys.executable, "-m", "paretext", *words],
            **{"stdout": file, "stderr": file, "start_new_session": True},
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None


def ended(
    job: Job,
    out: Path,
    seconds: float,
    start: Callable[[list[str], Path, float], int | None] = _in_a_process,
) -> dict[str, Any]:
    """How a run on this set ended; kept, so that it is not done twice."""
    folder = out / "".join(c if c.isalnum() else "-" for c in job.name)
    record = folder / "ended.json"
    if record.is_file():
        kept: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        if kept["well"]:
            return kept
    folder.mkdir(exist_ok=True)
    train, held = job.rows()
    files = [_write(folder / name, rows) for name, rows in (("data", train), ("eval", held))]
    models = ["--model", "tfidf", "--model", str(_model(out))]
    words = [
        *("run", "--out", str(folder / "run")),
        *("--data", str(files[0]), "--eval", str(files[1]), *models, *OPTIONS, *job.arguments),
    ]
    begin, log = time.monotonic(), folder / "log.txt"
    status = start(words, log, seconds)
    well, outcome = _outcome(status, log.read_text(encoding="utf-8"), folder / "run")
    row = {
        "set": job.name,
        "rows": len(train),
        "classes": len({label for _, label in train}),
        "outcome": outcome,
        "seconds": round(time.monotonic() - begin),
        "well": well,
    }
    record.write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
    return row


def _outcome(status: int | None, said: str, run: Path) -> tuple[bool, str]:
    lines = [line for line in said.splitlines() if line.strip()] or [""]
    if status is None:
        return False, f"HANGS, after: {_cell(lines[-1])}"
    no_profile = [line for line in lines if "failed in paretext itself" in line]
    if no_profile:
        return False, f"FAULT in the profile: {_cell(no_profile[0])}"
    if status == 0 and (run / "comparison" / "comparison.json").is_file():
        comparison = json.loads((run / "comparison" / "comparison.json").read_text("utf-8"))
        return True, f"a table of {len(comparison['rows'])} versions"
    if status == 2 and lines[-1].startswith("paretext: ") and "Traceback" not in said:
        when = "after training began" if (run / "candidates").is_dir() else "before training"
        return True, f"{when}: {_cell(lines[-1].removeprefix('paretext: '))}"
    return False, f"FAULT, exit status {status}: {_cell(lines[-1])}"


def _cell(text: str) -> str:
    text = " ".join(text.replace("|", "\\|").split())
    return text if len(text) <= 400 else f"{text[:399]}…"


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file), [])


def _read(files: list[Path], most: int) -> tuple[Rows, Rows]:
    """Up to `most` rows of each file, drawn at random."""
    parts = []
    for path in files:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row[0], row[1]) for row in csv.reader(file)][1:]
        parts.append(random.Random(0).sample(rows, min(most, len(rows))))
    known = {label for _, label in parts[0]}
    return parts[0], [row for row in parts[1] if row[1] in known]


def _with_third(rows: Rows) -> tuple[Rows, Rows]:
    return rows, _copies(rows[::3])


def _copies(rows: Rows) -> Rows:
    """With a number behind each text: a run refuses to be measured on what it learns from."""
    return [(f"{text} {i}" if text else "", label) for i, (text, label) in enumerate(rows)]


def _write(path: Path, rows: Rows) -> Path:
    path = path.with_suffix(".csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


def _model(out: Path) -> Path:
    """A tiny encoder, built once."""
    folder = out / "tiny"
    if not (folder / "config.json").is_file():
        tiny.build("roberta", folder)
    return folder


if __name__ == "__main__":
    sys.exit(main())
