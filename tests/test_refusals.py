"""What can be refused is refused before PyTorch, transformers or scikit-learn are imported, which
takes seconds; a missing model comes first. All commands run in one process that has none of them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy

from paretext.core.files import write_json
from paretext.core.locks import work_in
from paretext.core.ownership import claim
from paretext.core.run_folder import RECORDS

HEAVY = ("torch", "transformers", "sklearn", "scipy", "onnx", "onnxruntime", "datasets")
RUNNER = f"""
import contextlib, io, json, sys
from paretext import cli

def outcome(arguments):
    sys.argv, printed = ["paretext", *arguments], io.StringIO()
    from paretext.cli import console
    console.err.file = printed
    with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed):
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
    heavy = [name for name in {HEAVY} if name in sys.modules]
    return {{"status": status, "said": printed.getvalue(), "heavy": heavy}}

commands = json.load(open(sys.argv[1], encoding="utf-8"))
json.dump({{name: outcome(each) for name, each in commands.items()}}, sys.stdout)
"""

SAID = {
    "run --help": "Usage",
    "compress --help": "Usage",
    "no model": "no model was given",
    "a model that is nowhere": "there is no model folder ./nowhere",
    "a hub id that was never loaded": "'no-such-model' is neither a local folder",
    "a model that is nowhere, before all else": "there is no model folder ./nowhere",
    "a gap in id2label": "contradicts itself, id2label has the keys 0, 2",
    "no data": "no.csv' does not exist",
    "no evaluation data": "no.csv' does not exist",
    "evaluation data that are the training data": "train.csv, and so is --data",
    "a copy of the training data": "copy.csv) is a copy of --data",
    "unlabelled texts that are the evaluation data": "eval.csv, and so is --unlabelled",
    "two columns": "could be any of 'first', 'second'",
    "one class": "all 60 texts have the label 'joy'",
    "one text of a label": "there is 1 of 'surprise'",
    "another run's folder": "holds the run of models: other; training texts: other.csv",
    "another run's folder, by its texts": "holds the run of training texts: other.csv",
    "another run's folder, to train in": "holds the run of models: other",
    "a folder in use": "is in use by process",
    "an unknown preset": "there is no preset 'sfae'",
    "an unknown setting": "unknown setting 'training.epoch'",
    "an unknown step": "unknown step 'magnitud_pruning'",
    "a value that cannot be": "--precision is 'fp8'; give 'auto', 'fp32' or 'bf16'; see",
    "a clause that is none": "unknown clause 'macro_f1_dorp'",
    "no threads": "--threads is '0'; give 1 or more; see paretext run --help.",
    "nothing to compress": "nowhere",
    "nothing to compress, before all else": "nowhere",
    "nothing to measure on": "nothing says what",
    "an encoder without a head": "has no trained classification head",
    "labels in another order": "--labels says sad, joy",
    "a classifier with a gap": "contradicts itself",
    "another model's folder": "holds the compress of model: other",
    "versions in a folder in use": "is in use by process",
    "versions in the model's own folder": "is the model's own folder",
    "evaluation data that also teach": "eval.csv, and so is --data",
    "a search of an encoder": "has no trained classification head",
    "a search without sense": "p95_latency is limited to 'fast'",
    "an ablation of nothing": "an ablation changes exactly one thing",
    "an ablation of another": "holds the ablate of change: Removing stop words",
}


def commands(folder: Path, encoder: Path, classifier: Path) -> dict[str, list[object]]:
    """The command lines, by the names in SAID, and what they are given."""

    def table(name: str, rows: list[tuple[str, str]]) -> Path:
        return toy.write(folder / name, rows)

    def text(name: str, content: str) -> Path:
        (folder / name).write_text(content, encoding="utf-8")
        return folder / name

    def other(name: str, job: str, of: dict[str, dict[str, str]]) -> Path:
        claim(folder / name, job, of)
        (folder / name / RECORDS / "stage.done").touch()
        return folder / name

    rows = toy.texts_and_labels(60)
    data, held = table("train.csv", rows), table("eval.csv", toy.texts_and_labels(30, seed=1))
    copy = Path(shutil.copy(data, folder / "copy.csv"))
    one = table("one.csv", [(text, "joy") for text, _ in rows])
    rare = table("rare.csv", [*rows, ("who would have thought", "surprise")])
    two = text("two.csv", "first,second,label\n" + "some words,other words,joy\n" * 30)
    gap = shutil.copytree(classifier, folder / "gap")
    config = json.loads((gap / "config.json").read_text("utf-8"))
    labels = list(config["id2label"].values())
    config["id2label"] = {"0": labels[0], **{str(i): each for i, each in enumerate(labels[1:], 2)}}
    write_json(gap / "config.json", config)
    turned = text("turned.txt", "\n".join(labels[::-1]))
    nowhere, budget = folder / "no.csv", text("budget.yaml", "macro_f1_dorp: 0.01\n")
    setting = text("setting.yaml", "training:\n  epoch: 3\n")
    step = text("step.yaml", "versions:\n- name: x\n  steps:\n  - step: magnitud_pruning\n")
    texts = {"training texts": {"0": "other.csv, 3 texts"}}
    ours = other("ours", "run", {"models": {"0": "other"}, **texts})
    ours_by_texts = other("by-texts", "run", texts)
    theirs = other("theirs", "compress", {"model": {"0": "other"}})
    ablated = other("ablated", "ablate", {"change": {"Removing stop words": "Removing stop words"}})

    def run(
        *more: object,
        data: Path = data,
        held: Path = held,
        model: object = encoder,
        out: str = "out",
    ) -> list[object]:
        named = ["--model", model] if model else []
        return ["run", "--data", data, "--eval", held, "--out", folder / out, *named, *more]

    def compress(model: object, *more: object, out: str = "out") -> list[object]:
        return ["compress", model, "--out", folder / out, *more]

    measured = ("--eval", held)
    training = ("--data", data, "--out", folder / "out")
    arms = ("--model", encoder, "--model", classifier)
    return {
        "run --help": ["run", "--help"],
        "compress --help": ["compress", "--help"],
        "no model": ["train", *training],
        "a model that is nowhere": run(model="./nowhere"),
        "a hub id that was never loaded": run(model="no-such-model"),
        "a model that is nowhere, before all else": run(
            *("--preset", "sfae", "--budget", budget), model="./nowhere", data=nowhere, out="ours"
        ),
        "a gap in id2label": run(model=gap),
        "no data": run(data=nowhere),
        "no evaluation data": run(held=nowhere),
        "evaluation data that are the training data": run(held=data),
        "a copy of the training data": run(held=copy),
        "unlabelled texts that are the evaluation data": run("--unlabelled", held),
        "two columns": run(data=two),
        "one class": run(data=one),
        "one text of a label": run(data=rare),
        "another run's folder": run(out=ours.name),
        "another run's folder, by its texts": run(out=ours_by_texts.name),
        "another run's folder, to train in": [
            *("train", "--data", data, "--model", encoder, "--out", ours)
        ],
        "a folder in use": run(out="locked"),
        "an unknown preset": run("--preset", "sfae"),
        "an unknown setting": run("--recipe", setting),
        "an unknown step": run("--recipe", step),
        "a value that cannot be": run("--precision", "fp8"),
        "a clause that is none": run("--budget", budget),
        "no threads": run("--threads", 0),
        "nothing to compress": compress("./nowhere", *measured),
        "nothing to compress, before all else": compress(
            "./nowhere", "--preset", "sfae", "--eval", nowhere, out="locked"
        ),
        "nothing to measure on": compress(classifier),
        "an encoder without a head": compress(encoder, *measured),
        "labels in another order": compress(classifier, *measured, "--labels", turned),
        "a classifier with a gap": compress(gap, *measured),
        "another model's folder": compress(classifier, *measured, out=theirs.name),
        "versions in a folder in use": compress(classifier, *measured, out="locked"),
        "versions in the model's own folder": [
            *("compress", classifier, "--out", classifier, *measured)
        ],
        "evaluation data that also teach": compress(classifier, *measured, "--data", held),
        "a search of an encoder": ["search", encoder, *training],
        "a search without sense": ["search", classifier, *training, "--budget", "p95<=fast"],
        "an ablation of nothing": ["ablate", *training, "--eval", held, *arms[:2]],
        "an ablation of another": [
            *("ablate", "--data", data, "--eval", held, "--out", ablated, *arms)
        ],
    }


@pytest.fixture(scope="module")
def outcomes(
    encoder: Callable[[str], Path],
    versions: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("refusals")
    asked = commands(folder, encoder("roberta"), versions["pytorch"])
    lines = {name: list(map(str, each)) for name, each in asked.items()}
    write_json(folder / "commands.json", lines)
    with work_in(folder / "locked"):
        ended = subprocess.run(
            [sys.executable, "-c", RUNNER, str(folder / "commands.json")],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "COLUMNS": "200"},
            cwd=folder,
            timeout=120,
        )
    assert ended.returncode == 0, ended.stderr
    assert not (folder / "out").exists()  # nothing came of any of them
    assert not (versions["pytorch"] / RECORDS).exists()
    by_name: dict[str, Any] = json.loads(ended.stdout)
    return by_name


@pytest.mark.parametrize("name", SAID)
def test_it_is_refused_before_pytorch_is_imported(name: str, outcomes: dict[str, Any]) -> None:
    outcome = outcomes[name]
    assert outcome["status"] == (0 if name.endswith("--help") else 2), outcome
    assert SAID[name] in " ".join(outcome["said"].split())
    assert outcome["heavy"] == []
