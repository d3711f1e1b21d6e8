"""The reference study's tables, made here: every model, pruned and in INT8, by two recipes.

    python benchmarks/study.py ENCODERS EMOTION --out FOLDER [--docs docs/results.md]

ENCODERS is a folder of encoders: bert, roberta, electra, distilroberta and, if it is there, mpnet.
The study's fifth, a RoBERTa that has read tweets, is made of roberta by domain_pretraining.py.
EMOTION holds train.csv, validation.csv and labels.txt. 15% of the training texts choose the
weights; the validation texts are only measured on. Recipes: "study" is recipes/study.yaml, "ours"
the settings as they come; in both, pruned and INT8 versions come from the model above them. Beside
the encoders, the recurrent networks of the study's first part, with and without stop words.

Made model by model, and resumable: what a model has come to is a line of FOLDER/study.jsonl (--rows
names another file, one of an earlier machine, say), and is not made a second time. --recipe, --seed
and --model, each more than once, narrow what is trained. mpnet, 12 layers of 768, is trained by our
recipe and one seed, for MPNET_STEPS steps. At the end everything of the first seed that lies in
FOLDER is timed, in one interleaved run (not with --train-only), and the tables are written. Ends
with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from page import table, write_section
from rows import add, rows

from paretext.compression.build import compress, export_candidate
from paretext.compression.recipe import Recipe, preset
from paretext.core.files import read_json, write_json
from paretext.data.dataset import Dataset, read_label_names
from paretext.measure.cost import Target, benchmark, machine
from paretext.measure.intervals import paired_drops, quality
from paretext.measure.metrics import confusion_matrix
from paretext.pipeline.splits import prepare
from paretext.pipeline.stages import train
from paretext.report.figures import confusion
from paretext.runtime.artifact import Artifact
from paretext.training.baselines import BASELINES

HERE = Path(__file__).parent
STUDY_RECIPE = HERE.parent / "recipes" / "study.yaml"
ENCODERS = ("roberta", "bert", "electra", "domain-roberta", "distilroberta", "mpnet")
RECURRENT = ("bilstm", "bigru")
KEPT = "-stop-words-kept"
MODELS = (*ENCODERS, *RECURRENT, *(name + KEPT for name in RECURRENT))
RECIPES = ("ours", "study")
SEEDS = (0, 1, 2)
MPNET_STEPS = 600
"""In place of the plan's 1,700, which are 80 minutes of a core of this machine."""
VERSIONS = ("parent", "pruned", "int8", "pruned-int8")
ROUNDS, TIMED_TEXTS = 3, 500

# What the study's report prints (https://github.com/natalyasegal/ModelCompression_NLP).
STUDY_1 = {"roberta": 0.92, "bert": 0.91, "electra": 0.91, "domain-roberta": 0.91}
# MB, ms per text, macro-F1, balanced accuracy in %, kappa
STUDY_2 = {
    "roberta-base": (17655.97, 17.70, 0.917, 94.1, 0.918),
    "BEST_PRUNED": (2693.78, 8.09, 0.917, 94.0, 0.918),
    "BEST_INT8": (194.74, 4.55, 0.910, 93.5, 0.910),
    "distilroberta-base": (8818.80, 8.14, 0.909, 93.1, 0.908),
    "twitter-roberta-base": (13362.02, 17.61, 0.913, 93.4, 0.917),
}
# Labels 0 to 5. The study's header has these columns sorted by name, over values sorted by number.
LABELS = ("sadness", "joy", "love", "anger", "fear", "surprise")
STUDY_3 = {  # F1 and recall in % ("Acc%" in the study) for each label
    "roberta-base": "0.968 96.4 0.950 91.3 0.874 97.2 0.940 94.5 0.897 90.1 0.875 95.1",
    "BEST_PRUNED": "0.967 95.3 0.952 91.8 0.868 96.1 0.938 95.6 0.902 91.5 0.874 93.8",
    "BEST_INT8": "0.960 95.1 0.945 90.8 0.869 96.6 0.941 94.9 0.880 89.6 0.869 93.8",
    "distilroberta-base": "0.958 95.5 0.945 90.5 0.864 96.6 0.938 94.2 0.885 90.6 0.860 91.4",
    "twitter-roberta-base": "0.961 95.1 0.945 91.8 0.879 98.3 0.945 97.5 0.889 88.7 0.852 88.9",
}

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("encoders", type=Path)
    parser.add_argument("emotion", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--recipe", action="append", choices=RECIPES)
    parser.add_argument("--seed", action="append", type=int)
    parser.add_argument("--model", action="append", choices=MODELS)
    parser.add_argument("--train-only", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.rows or options.out / "study.jsonl"
    for seed in options.seed or SEEDS:
        for recipe in options.recipe or RECIPES:
            for model in options.model or MODELS:
                key = {"recipe": recipe, "model": model, "seed": seed}
                if any(key.items() <= row.items() for row in rows(path)) or skipped(key, options):
                    continue
                print(f"study: {model}, recipe {recipe}, seed {seed}", file=sys.stderr, flush=True)
                row = key | measured(options.encoders, options.emotion, options.out, **key)
                add(path, row)
    if options.train_only:
        return
    times = timed(options.out, options.emotion)
    text = tables(rows(path), times)
    print(text)
    if options.docs:
        write_section(options.docs, "study", text, "The study's tables")
        picture(rows(path), options.docs.with_name("study-confusion.svg"))
    print(json.dumps({"models": len(rows(path)), "timed": len(times.get("targets", ()))}))


def skipped(key: Row, options: argparse.Namespace) -> bool:
    """mpnet takes long, and is not among the encoders of every folder."""
    if key["model"] != "mpnet":
        return False
    there = (options.encoders / "mpnet").is_dir()
    return not there or (key["recipe"], key["seed"]) != ("ours", 0)


def measured(
    encoders: Path, emotion: Path, out: Path, *, recipe: str, model: str, seed: int
) -> Row:
    """One model trained, its versions made, and what each of them answers to the validation."""
    names = read_label_names(emotion / "labels.txt")
    labelled = Dataset.read(emotion / "train.csv", label_names=names)
    validation = Dataset.read(emotion / "validation.csv", label_names=names)
    settings = settings_of(recipe, model, seed)
    data = prepare(labelled, validation, settings)
    folder = folder_of(out, recipe, model, seed)
    begin = time.perf_counter()
    trained = train([source_of(encoders, emotion, out, model)], data, settings, folder)
    seconds = time.perf_counter() - begin
    parent = trained.folders[trained.parent]
    if trained.encoder:
        made = compress(parent, settings, data.train, data.selection, folder)
        artifacts = {each.name: each.folder for each in made}
    else:
        made_alone = export_candidate(parent, "parent", data.train, data.selection, folder)
        artifacts = {"parent": made_alone.folder}
    artifacts = {name: path for name, path in artifacts.items() if "." not in name}
    answers = {
        name: Artifact.load(path).probabilities(validation.texts).argmax(axis=1)
        for name, path in artifacts.items()
    }
    history = read_json(parent.parent / "history.json", "train it again", list)
    return {
        "training_seconds": round(seconds),
        "trained_at": machine(1),
        "epochs_or_evaluations": len(history),
        "labels": list(names),
        "versions": [
            {"version": name, "bytes": size(artifacts[name])}
            | figures(validation, answers["parent"], answers[name])
            for name in artifacts
        ],
    }


def settings_of(recipe: str, model: str, seed: int) -> Recipe:
    """The recipe, with the seed, for this one model."""
    settings = Recipe.read(STUDY_RECIPE) if recipe == "study" else Recipe(versions=preset("pruned"))
    training = settings.training.model_copy(update={"seed": seed})
    if model == "mpnet":
        training = training.model_copy(update={"steps": MPNET_STEPS})
    changes: Row = {"models": (), "training": training}
    if model.endswith(KEPT):
        changes["stop_words"] = "keep"
    return settings.model_copy(update=changes)


def source_of(encoders: Path, emotion: Path, out: Path, model: str) -> str:
    """The name or the folder that the model is trained from."""
    name = model.removesuffix(KEPT)
    if name in BASELINES:
        return name
    if name != "domain-roberta":
        return str(encoders / name)
    made = out / "encoders" / name
    if not (made / "config.json").is_file():
        script = HERE / "domain_pretraining.py"
        command = [script, encoders / "roberta", emotion / "train.csv", made, "--epochs", "2"]
        subprocess.run([sys.executable, *map(str, command)], check=True, stdout=sys.stderr)
    return str(made)


def folder_of(out: Path, recipe: str, model: str, seed: int) -> Path:
    return out / recipe / f"{model}-{seed}"


def size(artifact: Path) -> int:
    return sum(path.stat().st_size for path in artifact.rglob("*") if path.is_file())


def figures(validation: Dataset, reference: Any, answers: Any) -> Row:
    """Every metric of one version, and its macro-F1 drop from the model that it was made of."""
    classes = len(validation.label_names)
    scores = quality(validation.labels, answers, classes)
    drop = paired_drops(validation.labels, reference, answers, classes).macro_f1
    return {
        "macro_f1": rounded(scores.macro_f1),
        "drop": rounded(drop),
        "balanced_accuracy": scores.balanced_accuracy.estimate,
        "kappa": scores.kappa.estimate,
        "f1": [each.estimate for each in scores.f1],
        "recall": [each.estimate for each in scores.recall],
        "flips": float(np.mean(reference != answers)),
        "confusion": confusion_matrix(validation.labels, answers, classes).tolist(),
    }


def rounded(interval: Any) -> list[float]:
    """Estimate, low, high."""
    return [round(float(v), 5) for v in (interval.estimate, interval.low, interval.high)]


def timed(out: Path, emotion: Path) -> Row:
    """Milliseconds of every model of the first seed that lies here, in one interleaved run."""
    targets = []
    for model in MODELS:
        folder = folder_of(out, "ours", model, SEEDS[0])
        if model in ENCODERS and (folder / "artifacts" / "int8").is_dir():
            (torch,) = folder.glob("candidates/*/model")
            targets.append(Target(f"{model}|pytorch", torch, "pytorch"))
        targets += [
            Target(f"{model}|{version}", folder / "artifacts" / version)
            for version in VERSIONS
            if (folder / "artifacts" / version).is_dir()
        ]
    names = [each.name for each in targets]
    path = out / "times.json"
    known: Row = read_json(path, f"delete {path}", dict) if path.is_file() else {}
    if not targets or known.get("targets") == names:
        return known
    texts = Dataset.read(emotion / "validation.csv").texts[:TIMED_TEXTS]
    timings = benchmark(targets, texts, rounds=ROUNDS)
    values = {
        "targets": names,
        "machine": machine(2),
        "ms": {
            name: [each.cost.batch1_ms_p50, each.cost.batch32_ms_per_text, each.cost.unsteady]
            for name, each in timings.items()
        },
    }
    write_json(path, values)
    return values


def tables(stored_rows: list[Row], times: Row) -> str:
    """All tables, as a part of a page."""
    return "\n\n".join(
        [
            f"### Table 1: macro-F1 of the models\n\n{table_1(stored_rows)}",
            f"### Tables 2 and 2.1: size, time, quality\n\n{table_2(stored_rows, times)}",
            f"### Tables 3 and 3.1: F1 / recall in % for each class\n\n{table_3(stored_rows)}",
        ]
    )


def version_of(row: Row, name: str) -> Row | None:
    return next((each for each in row["versions"] if each["version"] == name), None)


def of(stored_rows: list[Row], recipe: str, model: str) -> list[Row]:
    chosen = [row for row in stored_rows if (row["recipe"], row["model"]) == (recipe, model)]
    return sorted(chosen, key=lambda row: row["seed"])


def table_1(stored_rows: list[Row]) -> str:
    head = ["model", "the study", "its recipe, here", "mean", "our recipe", "mean"]
    lines = [head]
    for model in MODELS:
        cells = [model, f"{STUDY_1[model]:.2f}" if model in STUDY_1 else ""]
        for recipe in ("study", "ours"):
            scores = [row["versions"][0]["macro_f1"][0] for row in of(stored_rows, recipe, model)]
            cells.append(", ".join(f"{score:.3f}" for score in scores) or "not made")
            cells.append(f"{mean(scores):.3f}" if len(scores) > 1 else "")
        lines.append(cells)
    return table(lines)


def table_2(stored_rows: list[Row], times: Row) -> str:
    head = "model|recipe|MB|ms, batch 1|ms a text, batch 32|macro-F1|drop|balanced accuracy|kappa"
    lines = [head.split("|")]
    for name, (megabytes, ms, f1, balanced, kappa) in STUDY_2.items():
        cells = [f"study: {name}", "study", f"{megabytes:,.2f}", "", f"{ms:.2f}", f"{f1:.3f}", ""]
        lines.append([*cells, f"{balanced:.1f}%", f"{kappa:.3f}"])
    for model, recipe, version, row in first_of_each(stored_rows):
        *ms, busy = times.get("ms", {}).get(f"{model}|{version}", [None, None, ""])
        estimate, low, high = row["drop"]
        drop = "" if version == "parent" else f"{estimate:+.3f} [{low:+.3f}, {high:+.3f}]"
        cells = [named(model, version), recipe, f"{row['bytes'] / 1e6:,.2f}"]
        cells += ["" if each is None or busy else f"{each:.2f}" for each in ms]
        cells += [f"{row['macro_f1'][0]:.3f}", drop]
        lines.append([*cells, f"{row['balanced_accuracy']:.1%}", f"{row['kappa']:.3f}"])
    return table(lines)


def table_3(stored_rows: list[Row]) -> str:
    lines = [["model", "recipe", *LABELS]]
    for name, values in STUDY_3.items():
        numbers = values.split()
        pairs = [f"{f1} / {recall}" for f1, recall in zip(numbers[::2], numbers[1::2], strict=True)]
        lines.append([f"study: {name}", "study", *pairs])
    for model, recipe, version, row in first_of_each(stored_rows):
        pairs = [f"{f1:.3f} / {r:.1%}" for f1, r in zip(row["f1"], row["recall"], strict=True)]
        lines.append([named(model, version), recipe, *(pair.removesuffix("%") for pair in pairs)])
    return table(lines)


def first_of_each(stored_rows: list[Row]) -> list[tuple[str, str, str, Row]]:
    """Model, recipe, version and its figures, of the least seed of each model and recipe."""
    listed = []
    for model in MODELS:
        for recipe in ("study", "ours"):
            for row in of(stored_rows, recipe, model)[:1]:
                listed += [(model, recipe, each["version"], each) for each in row["versions"]]
    return listed


def named(model: str, version: str) -> str:
    return f"**{model}**" if version == "parent" else f"{model}, {version}"


def picture(stored_rows: list[Row], path: Path) -> None:
    """The study's figure 2: the confusion matrix of the pruned RoBERTa."""
    for recipe in ("study", "ours"):
        for row in of(stored_rows, recipe, "roberta")[:1]:
            pruned = version_of(row, "pruned")
            assert pruned is not None
            title = f"roberta, pruned (recipe: {recipe}), on 2,000 validation texts"
            confusion(pruned["confusion"], row["labels"], path, title)
            return


if __name__ == "__main__":
    main()
