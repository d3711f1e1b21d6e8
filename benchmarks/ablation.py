"""What each step of a preset buys and costs: alone, and left out of the whole.

    python benchmarks/ablation.py RUN --data train.csv --eval validation.csv --labels labels.txt \\
        [--preset small] [--epochs N] [--rounds 3] [--docs docs/benchmarks.md]

RUN is a trained run's folder. Makes a version for each step alone and for the preset without each
step, in RUN/ablation-PRESET (what is there is kept), and measures them with the whole one in one
interleaved comparison. Distillation alone is left out: a parent taught by itself is no smaller and
no faster. --epochs teaches every version for so many epochs in place of the preset's: the versions
stay comparable among themselves, and take less time. --docs names a page whose section `ablation`
is written anew. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from page import table, write_section
from pydantic import BaseModel

from paretext.compression import Distillation, Recipe, compress, preset
from paretext.compression import Version as Steps
from paretext.data.dataset import Dataset, read_label_names
from paretext.measure.comparison import Comparison, Row, Version
from paretext.measure.cost import Target
from paretext.pipeline.parents import parent_of
from paretext.report.comparison import compare

HEAD = [
    "version",
    "MB",
    "smaller",
    "ms at 1",
    "faster",
    "ms at 32",
    "faster",
    "macro-F1",
    "drop, 95% interval",
]


def ablation(whole: Steps) -> tuple[Steps, ...]:
    """The whole version, each of its steps alone, and the whole without each but the last: that one
    is the whole's last stage.

    All that have the first step go on from the same one, since a latency table measured again
    could give it other widths.
    """
    first, others = whole.steps[0], whole.steps[1:]
    alone = Steps(name=f"only-{_kind(first)}", steps=(first,))
    versions = [
        alone,
        Steps(name=whole.name, source=alone.name, steps=others),
        Steps(name=f"without-{_kind(first)}", steps=others),
    ]
    for index, step in enumerate(others):
        if not isinstance(step, Distillation):
            versions.append(Steps(name=f"only-{_kind(step)}", steps=(step,)))
        if step is not others[-1]:
            rest = others[:index] + others[index + 1 :]
            versions.append(Steps(name=f"without-{_kind(step)}", source=alone.name, steps=rest))
    return tuple(versions)


def _kind(step: BaseModel) -> str:
    kind: str = step.model_dump()["step"]
    return kind.replace("_", "-")


def taught(version: Steps, epochs: int | None) -> Steps:
    """The version, its distillation of `epochs` epochs where that is given."""
    steps = tuple(
        step.model_copy(update={"epochs": epochs})
        if epochs and isinstance(step, Distillation)
        else step
        for step in version.steps
    )
    return version.model_copy(update={"steps": steps})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--eval", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--docs", type=Path)
    options = parser.parse_args()
    parent, name, trained = parent_of(options.run)
    labels = read_label_names(options.labels)
    data = Dataset.read(options.data, label_names=labels)
    held_out = Dataset.read(options.eval, label_names=labels, split="validation")
    whole = taught(preset(options.preset)[0], options.epochs)
    versions = ablation(whole)
    recipe = Recipe(training=trained.training, versions=versions)
    out = options.run / f"ablation-{options.preset}"
    train, selection = data.split(trained.selection_share, trained.training.seed)
    made = compress(parent, recipe, train, selection, out, parent_name=name)
    folders = {each.name: each.folder for each in made}
    shown = {version.name: version.name for version in versions}
    before_last = versions[1].stages()[-2][0]
    shown[f"without-{_kind(whole.steps[-1])}"] = before_last
    rows = [Version(Target("parent", folders["parent"]), None)]
    rows += [Version(Target(name, folders[made]), "parent") for name, made in shown.items()]
    comparison = compare(rows, held_out, out / "comparison", rounds=options.rounds)
    text = page(comparison, options.preset, options.epochs)
    print(text)
    if options.docs:
        write_section(options.docs, "ablation", text, f"Ablation of `{options.preset}`")
    print(json.dumps({"versions": comparison.flat()}))


def page(comparison: Comparison, name: str, epochs: int | None) -> str:
    first = comparison.row("parent")
    shorter = f" Epochs of distillation, in place of the preset's: {epochs}." if epochs else ""
    return (
        f"`{name}` of one run, each step alone and the whole without it, against the parent's "
        f"artifact; {comparison.data['texts']:,} validation texts, {comparison.machine['cpu']}, "
        f"{comparison.machine['threads']} cores. Learning again is the step distillation's alone: "
        f"what stands without it was not trained after it was cut.{shorter}\n\n"
        + table([HEAD, *(cells(row, first) for row in comparison.rows)])
    )


def cells(row: Row, first: Row) -> list[str]:
    cost, base = row.cost, first.cost
    drop = row.drops and row.drops.macro_f1
    return [
        row.version,
        f"{cost.bytes / 1e6:.2f}",
        f"{base.bytes / cost.bytes:.1f}x",
        f"{cost.batch1_ms_p50:.2f}",
        f"{base.batch1_ms_p50 / cost.batch1_ms_p50:.1f}x",
        f"{cost.batch32_ms_per_text:.3f}",
        f"{base.batch32_ms_per_text / cost.batch32_ms_per_text:.1f}x",
        f"{row.quality.macro_f1.estimate:.4f}",
        f"{drop.estimate:+.4f} [{drop.low:+.4f}, {drop.high:+.4f}]" if drop else "",
    ]


if __name__ == "__main__":
    main()
