"""paretext beside other tools: quality, speed and bytes on the same texts, cores and protocol.

    python benchmarks/peers/run.py --classifier FOLDER --train train.csv --eval validation.csv \\
        --labels labels.txt --artifact RUN/artifacts/safe --out FOLDER [--docs docs/benchmarks.md]

Each peer of peers.toml gets an environment of its own (peers with equal requirements share one),
prepares what it deploys from the fine-tuned classifier or from the training texts, as its own
documentation recommends, and is then measured in a process that holds nothing else and reads the
deployed files alone. All processes are open at a time and take turns: every round asks everybody
for batch 1, then for batch 32, then for bulk, so that a change of the machine's mood meets all;
figures are medians over the rounds. Environments and prepared files are kept under --out and used
again until their inputs change. A peer that does not install, prepare or run stands in the table
with its reason. Writes results.json and results.md; ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tomllib
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # for page

from environments import NotInstalled, environment
from job import Job
from page import write_section
from process import PeerFailed, Process
from table import markdown

from paretext.core.cores import available_cores
from paretext.core.files import (
    digest_of,
    folder_bytes,
    folder_digest,
    sha256,
    write_json,
    write_text,
)
from paretext.data.dataset import Dataset, read_label_names
from paretext.measure.cost import BATCH1_TEXTS, BATCH32_TEXTS, machine
from paretext.measure.intervals import paired_drops, quality

HERE = Path(__file__).parent
OURS = "ours"


@dataclass
class Version:
    """A row of the table as it comes about. `error` says why it has no figures."""

    name: str
    title: str
    job: Job
    python: Path | None = None
    folder: Path | None = None
    facts: dict[str, Any] | None = None
    predictions: list[int] | None = None
    error: str | None = None


def main() -> None:
    options = _options()
    out: Path = options.out.absolute()
    (out / "logs").mkdir(parents=True, exist_ok=True)
    for old in (out / "logs").iterdir():  # a log is appended to by every process of its peer
        old.unlink()
    labels = read_label_names(options.labels)
    train = Dataset.read(options.train, label_names=labels)
    data = Dataset.read(options.eval, label_names=labels)
    if options.texts:
        data = data.take(range(min(options.texts, len(data))))
    write_json(out / "train.json", {"texts": train.texts, "labels": train.labels.tolist()})
    write_json(out / "texts.json", list(data.texts))
    versions = [*_ours(options, labels, out), *_peers(options, labels, out)]
    for version in versions:
        if version.job.tool != OURS:
            _prepare(version, train.fingerprint, out, options)
    rounds = _measure(versions, out, options)
    results = {
        "machine": machine(options.threads),
        "data": {"texts": len(data), "fingerprint": data.fingerprint, "train": train.fingerprint},
        "classifier": folder_digest(options.classifier),
        "rounds": options.rounds,
        "reference": options.reference,
        "versions": _rows(versions, rounds, data, options.reference),
    }
    table = markdown(results)
    write_json(out / "results.json", results)
    write_text(out / "results.md", table + "\n")
    if options.docs:
        write_section(options.docs, "peers", table, "Beside other tools")
    print(table)
    print(json.dumps(results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classifier", type=Path, required=True, help="fine-tuned model's folder")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--eval", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--artifact", type=Path, action="append", default=[], help="repeatable")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--environments", type=Path, help="default: OUT/environments")
    parser.add_argument("--peers", help="names of peers.toml, with commas; default: all")
    parser.add_argument("--reference", default="pytorch-fp32", help="drops are taken against it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, help="only the first of the evaluation texts")
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=3600, help="seconds a peer may prepare")
    parser.add_argument("--docs", type=Path, help="page whose section 'peers' is rewritten")
    options = parser.parse_args()
    options.environments = options.environments or options.out / "environments"
    options.classifier = options.classifier.absolute()
    return options


def _job(options: argparse.Namespace, labels: tuple[str, ...], tool: str, variant: str) -> Job:
    return Job(
        tool=tool,
        variant=variant,
        classifier=options.classifier,
        train=options.out.absolute() / "train.json",
        labels=labels,
        threads=options.threads,
        seed=options.seed,
    )


def _ours(options: argparse.Namespace, labels: tuple[str, ...], out: Path) -> list[Version]:
    """An artifact is deployed as it is: nothing is prepared. Run by this interpreter."""
    versions = []
    for folder in map(Path.absolute, options.artifact):
        name = f"paretext-{folder.name}"
        if any(name == other.name for other in versions):
            raise SystemExit(f"two artifacts are called {folder.name}: rename one folder.")
        job = _job(options, labels, OURS, "artifact")
        python = Path(sys.executable)
        versions.append(Version(name, f"paretext {folder.name}", job, python, folder))
    return versions


def _peers(options: argparse.Namespace, labels: tuple[str, ...], out: Path) -> list[Version]:
    """Those asked for, each with its environment, or the reason why it has none."""
    known = tomllib.loads((HERE / "peers.toml").read_text(encoding="utf-8"))
    names = [peer["name"] for peer in known["peers"]]
    wanted = options.peers.split(",") if options.peers else names
    if unknown := sorted(set(wanted) - set(names)):
        raise SystemExit(f"there is no peer {unknown[0]!r}: the peers are {', '.join(names)}.")
    made: dict[str, Path | str] = {}
    versions = []
    for peer in (peer for peer in known["peers"] if peer["name"] in wanted):
        where = peer["environment"]
        if where not in made:
            print(f"environment {where} ...", flush=True)
            made[where] = _environment(where, known["environments"][where], options.environments)
        job = _job(options, labels, peer["tool"], peer["variant"])
        version = Version(peer["name"], peer["title"], job)
        python_or_reason = made[where]
        if isinstance(python_or_reason, Path):
            version.python = python_or_reason
        else:
            version.error = f"did not install: {python_or_reason}"
        versions.append(version)
    return versions


def _environment(name: str, spec: dict[str, Any], root: Path) -> Path | str:
    try:
        return environment(name, spec, root)
    except NotInstalled as error:
        return str(error)


def _prepare(version: Version, train: str, out: Path, options: argparse.Namespace) -> None:
    """Let the peer write what it deploys, unless it did so from the same inputs before."""
    if version.python is None:
        return
    version.folder = folder = out / "deployed" / version.name
    stamp = folder.with_suffix(".json")
    inputs = {
        "job": json.loads(version.job.to_json()) | {"classifier": "", "train": train},
        "classifier": folder_digest(version.job.classifier),
        "tools": {path.name: sha256(path) for path in _sources(version.job.tool)},
        "environment": (version.python.parents[1] / "requirements.json").read_text(),
    }
    key = digest_of(inputs)
    if folder.is_dir() and stamp.exists() and json.loads(stamp.read_text()) == key:
        return
    print(f"prepare {version.title} ...", flush=True)
    stamp.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with _process(version, out) as process:
            process.ask("prepare", options.limit)
    except PeerFailed as error:
        version.error = f"did not run: {error}"
        print(f"{version.title} {version.error}", flush=True)
        return
    write_json(stamp, key)


def _sources(tool: str) -> list[Path]:
    shared = ("transformers_model", "sentence_encoder")
    return [HERE / "tools" / f"{name}.py" for name in (tool, *shared)]


def _process(version: Version, out: Path) -> Process:
    assert version.python is not None
    assert version.folder is not None
    log = out / "logs" / f"{version.name}.txt"
    return Process(version.python, version.job, version.folder, out / "texts.json", log)


def _measure(
    versions: list[Version], out: Path, options: argparse.Namespace
) -> dict[str, dict[str, list[float]]]:
    """Each version's values of each round by name; a version that dies is left out from then on."""
    times: dict[str, dict[str, list[float]]] = {version.name: {} for version in versions}
    with ExitStack() as stack:
        processes = {}
        for version in (version for version in versions if version.error is None):
            print(f"load {version.title} ...", flush=True)
            processes[version.name] = stack.enter_context(_process(version, out))
            if facts := _ask(processes, version, "load"):
                version.facts = facts
            if answer := _ask(processes, version, "quality"):  # also the warm-up
                version.predictions = answer["predictions"]
        questions: list[tuple[str, dict[str, Any]]] = [
            ("batch1", {"texts": BATCH1_TEXTS}),
            ("batch32", {"texts": BATCH32_TEXTS}),
            ("bulk", {"by_length": False}),
            ("bulk", {"by_length": True}),
        ]
        for index in range(options.rounds):
            print(f"round {index + 1} of {options.rounds} ...", flush=True)
            turn = index % len(versions)
            for what, values in questions:
                for version in versions[turn:] + versions[:turn]:
                    for name, value in (_ask(processes, version, what, **values) or {}).items():
                        times[version.name].setdefault(name, []).append(value)
    return times


def _ask(
    processes: dict[str, Process], version: Version, what: str, **values: Any
) -> dict[str, Any] | None:
    """None if the version has failed, now or before."""
    if version.error is not None:
        return None
    try:
        return processes[version.name].ask(what, **values)
    except PeerFailed as error:
        version.error = f"did not run: {error}"
        processes[version.name].close()
        print(f"{version.title} {version.error}", flush=True)
        return None


def _rows(
    versions: list[Version],
    rounds: dict[str, dict[str, list[float]]],
    data: Dataset,
    reference: str,
) -> list[dict[str, Any]]:
    """What results.json holds of each version."""
    classes = len(data.label_names)
    base = next((v.predictions for v in versions if v.name == reference and not v.error), None)
    rows = []
    for version in versions:
        row: dict[str, Any] = {"name": version.name, "title": version.title}
        if version.error is not None or version.folder is None or version.facts is None:
            rows.append({**row, "error": version.error})
            continue
        scores = quality(data.labels, version.predictions, classes)
        drop = None
        if base is not None and version.name != reference:
            drop = asdict(paired_drops(data.labels, base, version.predictions, classes).macro_f1)
        times = rounds[version.name]
        rows.append(
            {
                **row,
                **version.facts,
                "macro_f1": asdict(scores.macro_f1),
                "accuracy": asdict(scores.accuracy),
                "drop": drop,
                "bytes": folder_bytes(version.folder),
                "cost": {name: statistics.median(values) for name, values in times.items()},
                "rounds": times,
            }
        )
    return rows


if __name__ == "__main__":
    main()
