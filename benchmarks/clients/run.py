"""Artifacts opened by other people's code, and its answers beside our own.

    python benchmarks/clients/run.py RUN/artifacts/* --eval validation.csv --out FOLDER \\
        [--docs docs/benchmarks.md]

Each client of clients.toml has an environment of its own (pip's and npm's own settings say where
packages come from), opens the folder as its own documentation has it, without a hub and without a
line that knows of paretext, and answers the texts one by one: the first of --eval, and a few odd
ones (other scripts, emojis, blanks, one that is far too long). Its logits are compared with those
of `Artifact`, and the labels that its own pipeline gives to all texts in one batch with ours. A
client that does not install or open an artifact stands in the table with its reason. Node and
Chromium are looked for in PATH. Writes results.json and results.md; ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "peers")]

from environments import NotInstalled, environment
from page import table, write_section

from paretext.core.files import write_json, write_text
from paretext.data.tables import read_rows
from paretext.measure.cost import machine
from paretext.runtime.artifact import Artifact

HERE = Path(__file__).parent
TOLERANCE = 1e-4
LIMIT = 600
_NOTES = ("why", "cuts")
ODD = (
    "LOUD, so loud!!! @user https://t.co/x #tag 1,234.50",
    "caf\u00e9 cafe\u0301 \u4f60\u597d \u0441\u043f\u0430\u0441\u0438\u0431\u043e "
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u05e9\u05dc\u05d5\u05dd",
    "\U0001f602\U0001f44d\U0001f3fd \u2764\ufe0f",
    " a  b ",
)


def main() -> None:
    options = _options()
    out: Path = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    known = tomllib.loads((HERE / "clients.toml").read_text(encoding="utf-8"))
    wanted = options.clients.split(",") if options.clients else None
    clients = [each for each in known["clients"] if wanted is None or each["name"] in wanted]
    texts = [*_texts(options.eval, options.column)[: options.texts], *ODD]
    rows = []
    for client in clients:
        try:
            start = _prepared(client, known, out / "environments")
        except (NotInstalled, FileNotFoundError) as error:
            rows += [
                _row(client, folder, error=f"not installed: {error}") for folder in options.artifact
            ]
            continue
        for folder in options.artifact:
            print(f"{client['title']}: {folder.name} ...", flush=True)
            rows.append(_compared(client, folder.absolute(), texts, start, out))
    results = {"machine": machine(1), "texts": len(texts), "rows": rows}
    text = markdown(results, clients)
    write_json(out / "results.json", results)
    write_text(out / "results.md", text + "\n")
    if options.docs:
        write_section(options.docs, "clients", text, "Opened by other people's code")
    print(text)
    print(json.dumps(results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifact", type=Path, nargs="+")
    parser.add_argument("--eval", type=Path, required=True, help="a table with a column of texts")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clients", help="names of clients.toml, with commas; default: all")
    parser.add_argument("--texts", type=int, default=200, help="only the first of the texts")
    parser.add_argument("--column", default="text", help="of the texts; default: text")
    parser.add_argument("--docs", type=Path, help="page whose section 'clients' is rewritten")
    return parser.parse_args()


def _texts(path: Path, column: str) -> list[str]:
    return [str(row[column]) for row in read_rows(path)]


def _prepared(client: dict[str, Any], known: dict[str, Any], root: Path) -> tuple[list[str], Path]:
    """The client's command, and the folder to run it in; NotInstalled with the reason."""
    name, tool = client["environment"], client["tool"]
    root.mkdir(parents=True, exist_ok=True)
    if name != "node":
        return [
            str(environment(name, known["python"][name], root)),
            str(HERE / "tools" / tool),
        ], root
    folder = root / "node"
    wanted = json.dumps({"type": "module", "dependencies": known["node"]})
    package = folder / "package.json"
    if not (node := shutil.which("node")) or not (npm := shutil.which("npm")):
        raise NotInstalled("there is no node and npm in PATH")
    if client["name"] == "chromium" and not _chromium():
        raise NotInstalled("there is no chromium in PATH")
    if not package.exists() or package.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        package.with_suffix(".new").write_text(wanted, encoding="utf-8")
        shutil.copy(package.with_suffix(".new"), package)
        done = subprocess.run(
            [npm, "install", "--ignore-scripts"], cwd=folder, capture_output=True, text=True
        )
        if done.returncode:
            package.unlink()
            raise NotInstalled(done.stderr.strip()[-300:])
    for path in (HERE / "tools").glob("*.mjs"):  # modules are found from where the script lies
        shutil.copy(path, folder)
    return [node, tool], folder


def _chromium() -> str | None:
    return next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )


def _compared(
    client: dict[str, Any], folder: Path, texts: list[str], start: tuple[list[str], Path], out: Path
) -> dict[str, Any]:
    ours = Artifact.load(folder, threads=1)
    longest = " ".join([" ".join(texts[:2])] * ours.manifest.max_length)
    asked = [*texts, longest]
    given, answers = out / "texts.json", out / "answers.json"
    given.write_text(json.dumps(asked), encoding="utf-8")
    answers.unlink(missing_ok=True)
    command, where = start
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    surroundings |= {"HF_HUB_OFFLINE": "1", "CHROMIUM": _chromium() or ""}
    done = subprocess.run(
        [*command, str(folder), str(given), str(answers)],
        cwd=where,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    if done.returncode or not answers.exists():
        return _row(client, folder, error=_reason(done.stderr))
    theirs = json.loads(answers.read_text(encoding="utf-8"))
    expected = np.concatenate([ours.logits([text]) for text in asked])
    away = np.abs(np.array(theirs["logits"]) - expected).max(axis=1)
    labels = theirs.get("labels")
    return _row(
        client,
        folder,
        version=theirs["version"],
        largest=float(away[:-1].max()),
        beyond=int((away[:-1] > TOLERANCE).sum()),
        cut=float(away[-1]),
        flips=int((np.array(theirs["logits"]).argmax(1) != expected.argmax(1))[:-1].sum()),
        labels=labels
        and sum(a != b for a, b in zip(labels[:-1], ours.predict(asked), strict=False)),
    )


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if any("No conversion rule" in line for line in lines):
        return "does not open"
    telling = [line for line in lines if "error" in line.lower()]
    return " ".join((telling or lines or ["no reason given"])[-1].split())[:200]


def _row(client: dict[str, Any], folder: Path, **columns: Any) -> dict[str, Any]:
    return {"client": client["name"], "title": client["title"], "artifact": folder.name, **columns}


def markdown(results: dict[str, Any], clients: list[dict[str, Any]]) -> str:
    """A row for each client, a column for each artifact, and what is known of the misses."""
    names = list(dict.fromkeys(row["artifact"] for row in results["rows"]))
    lines = [["client", *names, "other labels", "a text that is cut"]]
    for client in clients:
        rows = [row for row in results["rows"] if row["client"] == client["name"]]
        opened = [row for row in rows if "error" not in row]
        version = opened[0]["version"] if opened else ""
        labels = sum(row["flips"] + (row["labels"] or 0) for row in opened)
        cut = max((row["cut"] for row in opened), default=0.0)
        cells = [_cell(row) for row in rows]
        last = [str(labels), f"{cut:.0e}" if cut > TOLERANCE else "as ours"] if opened else ["", ""]
        lines.append([f"{client['title']} {version}".strip(), *cells, *last])
    told = (
        f"The largest difference of a logit from `Artifact`'s over {results['texts']} texts, one "
        f"by one, and in brackets how many texts differ by more than {TOLERANCE:g}. Other labels: "
        "of all artifacts, also in one batch by the client's own pipeline where it has one."
    )
    notes = [f"- {each['title']}: {each[k]}." for each in clients for k in _NOTES if k in each]
    return "\n".join([told, "", table(lines), "", *notes])


def _cell(row: dict[str, Any]) -> str:
    if "error" in row:
        return row["error"].replace("|", "/")
    beyond = f" ({row['beyond']})" if row["beyond"] else ""
    return f"{row['largest']:.0e}{beyond}" if row["largest"] else "0"


if __name__ == "__main__":
    main()
