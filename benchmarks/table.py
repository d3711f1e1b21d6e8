"""A table from end to end, as its user sees it: how long, and for how long nothing moves.

    python benchmarks/table.py TABLE ENCODER --out FOLDER [--source SRC] [-- OPTIONS]

TABLE is split once into FOLDER/train.csv and FOLDER/eval.csv (a fifth, by row number), and
`paretext run` is started on them in a terminal of 80 columns, with OPTIONS added. Measured: the
seconds of the whole job, those after the last line that says "timing", and every silence of more
than two seconds, with what stood last on the screen. --source is the src of another checkout,
to compare an older one; run both on a machine that does nothing else. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

SILENCE = 2.0
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\x07]")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--source", type=Path, default=Path(__file__).parent.parent / "src")
    parser.add_argument("more", nargs="*")
    options = parser.parse_args()
    train, held = split(options.table, options.out)
    command = [sys.executable, "-c", "from paretext.cli import main; main()", "run"]
    command += ["--data", str(train), "--eval", str(held), "--model", str(options.encoder)]
    command += ["--out", str(options.out / "run"), *options.more]
    print(json.dumps(watched(command, options.source.resolve(), options.out / "screen.txt")))


def split(table: Path, out: Path) -> tuple[Path, Path]:
    """train.csv and eval.csv of the table's rows: every fifth is measured on."""
    out.mkdir(parents=True, exist_ok=True)
    with table.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    parts = {"train": [r for i, r in enumerate(rows) if i % 5], "eval": rows[::5]}
    for name, part in parts.items():
        with (out / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([head, *part])
    return out / "train.csv", out / "eval.csv"


def watched(command: list[str], source: Path, screen: Path) -> dict[str, object]:
    """Run the command in a terminal, and time what appears on it."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(source), "COLUMNS": "80", "LINES": "24"}
    begin = time.monotonic()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    )
    os.close(theirs)
    last, timing, shown = begin, None, ""
    silences: list[tuple[float, str]] = []
    with screen.open("w", encoding="utf-8") as file:
        while True:
            select.select([ours], [], [], 60)
            try:
                chunk = os.read(ours, 65536).decode("utf-8", errors="replace")
            except OSError:  # the other end is closed
                break
            now = time.monotonic()
            if now - last > SILENCE:
                before = [line.strip() for line in shown.splitlines() if line.strip()]
                silences.append((round(now - last, 1), before[-1][:100] if before else ""))
            file.write(chunk)
            shown = (shown + _CONTROL.sub("", chunk))[-2000:]
            timing = now if "timing" in chunk else timing
            last = now
    status = process.wait()
    end = time.monotonic()
    return {
        "status": status,
        "seconds": round(end - begin),
        "seconds_after_timing": None if timing is None else round(end - timing),
        "silences": sorted(silences, reverse=True)[:10],
        "silent_seconds": round(sum(length for length, _ in silences)),
    }


if __name__ == "__main__":
    main()
