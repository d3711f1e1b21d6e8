"""Writes docs/results.md: runs on the emotion data beside the reference study's tables.

    python benchmarks/results.py RUN SEED_RUN [SEED_RUN ...] > docs/results.md

RUN is the folder of a `paretext run` with two candidates; its table is shown whole. The SEED_RUNs
are runs of the one model `roberta` on the same data with other seeds; they give the means. The
study's figures are constants here: they are what its report prints
(https://github.com/natalyasegal/ModelCompression_NLP).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import mean
from typing import Any

from page import table

from paretext.measure.comparison import Comparison

# version: MB, ms per text, macro-F1, balanced accuracy in %, kappa
STUDY_2 = {
    "roberta-base": (17655.97, 17.70, 0.917, 94.1, 0.918),
    "BEST_PRUNED": (2693.78, 8.09, 0.917, 94.0, 0.918),
    "BEST_INT8": (194.74, 4.55, 0.910, 93.5, 0.910),
    "distilroberta-base": (8818.80, 8.14, 0.909, 93.1, 0.908),
}
STUDY_21 = {"cardiffnlp_twitter-roberta-base": (13362.02, 17.61, 0.913, 93.4, 0.917)}
STUDY_1 = {
    "Roberta-base": 0.92,
    "Bert": 0.91,
    "Electra": 0.91,
    "cardiffnlp_twitter-roberta-base": 0.91,
}
# Labels 0 to 5. The study's header has these columns sorted by name, over values sorted by number.
LABELS = ("sadness", "joy", "love", "anger", "fear", "surprise")
STUDY_3 = {  # F1 and recall in % ("Acc%" in the study) for each label
    "roberta-base": "0.968 96.4 0.950 91.3 0.874 97.2 0.940 94.5 0.897 90.1 0.875 95.1",
    "BEST_PRUNED": "0.967 95.3 0.952 91.8 0.868 96.1 0.938 95.6 0.902 91.5 0.874 93.8",
    "BEST_INT8": "0.960 95.1 0.945 90.8 0.869 96.6 0.941 94.9 0.880 89.6 0.869 93.8",
    "distilroberta-base": "0.958 95.5 0.945 90.5 0.864 96.6 0.938 94.2 0.885 90.6 0.860 91.4",
    "cardiffnlp_twitter-roberta-base": (
        "0.961 95.1 0.945 91.8 0.879 98.3 0.945 97.5 0.889 88.7 0.852 88.9"
    ),
}


def table_2(comparison: Comparison) -> str:
    head = ["model", "size (MB)", "ms per text, batch 32", "macro-F1", "balanced accuracy", "kappa"]
    study = {**STUDY_2, **STUDY_21}
    rows = [
        [f"study: {name}", f"{mb:,.2f}", f"{ms:.2f}", f"{f1:.3f}", f"{balanced:.1f}%", f"{k:.3f}"]
        for name, (mb, ms, f1, balanced, k) in study.items()
    ]
    rows += [
        [
            f"here: {each.version}",
            f"{each.cost.bytes / 1e6:,.2f}",
            f"{each.cost.batch32_ms_per_text:.2f}",
            f"{each.quality.macro_f1.estimate:.3f}",
            f"{each.quality.balanced_accuracy.estimate:.1%}",
            f"{each.quality.kappa.estimate:.3f}",
        ]
        for each in comparison.rows
    ]
    return table([head, *rows])


def table_3(comparison: Comparison) -> str:
    rows = []
    for name, values in STUDY_3.items():
        numbers = values.split()
        pairs = [f"{f1} / {recall}" for f1, recall in zip(numbers[::2], numbers[1::2], strict=True)]
        rows.append([f"study: {name}", *pairs])
    order = [comparison.labels.index(label) for label in LABELS]
    for each in comparison.rows:
        f1, recall = each.quality.f1, each.quality.recall
        pairs = [f"{f1[i].estimate:.3f} / {recall[i].estimate * 100:.1f}" for i in order]
        rows.append([f"here: {each.version}", *pairs])
    return table([["model", *LABELS], *rows])


def seeds(runs: list[Comparison]) -> str:
    head = ["version", "macro-F1 per seed", "mean", "drop from parent per seed", "mean drop"]
    head += ["MB", "faster than PyTorch at batch 1", "at batch 32"]
    rows = []
    for each in runs[0].rows:
        found = [
            r.row(each.version) for r in runs if any(x.version == each.version for x in r.rows)
        ]
        f1 = [one.quality.macro_f1.estimate for one in found]
        drops = [one.drops.macro_f1.estimate for one in found if one.drops]
        rows.append(
            [
                each.version,
                ", ".join(f"{value:.4f}" for value in f1),
                f"{mean(f1):.4f}",
                ", ".join(f"{value:+.4f}" for value in drops),
                f"{mean(drops):+.4f}" if drops else "",
                f"{found[0].cost.bytes / 1e6:.1f}",
                *(
                    ", ".join(f"{faster(run, each.version, cost):.1f}x" for run in runs)
                    for cost in ("batch1_ms_p50", "batch32_ms_per_text")
                ),
            ]
        )
    return table([head, *rows])


def faster(run: Comparison, version: str, cost: str) -> float:
    """How many times faster than the first version, which is PyTorch."""
    return float(getattr(run.rows[0].cost, cost) / getattr(run.row(version).cost, cost))


def load(run: str) -> tuple[Comparison, dict[str, Any]]:
    folder = Path(run)
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return Comparison.read(folder / "comparison"), record


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    first, record = load(sys.argv[1])
    loaded = [load(run) for run in sys.argv[2:]]
    chosen = json.loads((Path(sys.argv[1]) / "parent.json").read_text(encoding="utf-8"))
    training = record["recipe"]["training"]
    print(
        TEXT.format(
            texts=f"{first.data['texts']:,}",
            settings=", ".join(f"{k} {v}" for k, v in training.items() if k != "seed"),
            seeds=", ".join(str(each["recipe"]["training"]["seed"]) for _, each in loaded),
            table_1=table(
                [
                    ["model", "macro-F1"],
                    *([f"study: {name}", f"{f1:.2f}"] for name, f1 in STUDY_1.items()),
                    *(
                        [f"here: {r.version}", f"{r.quality.macro_f1.estimate:.3f}"]
                        for r in first.rows
                        if r.version != "pytorch" and not r.recipe
                    ),
                ]
            ),
            table_2=table_2(first),
            table_3=table_3(first),
            whole=(Path(sys.argv[1]) / "comparison" / "comparison.md")
            .read_text(encoding="utf-8")
            .replace("# Comparison\n", "")
            .strip(),
            per_seed=seeds([comparison for comparison, _ in loaded]),
            parent=chosen["parent"],
            selection=", ".join(f"{k} {v:.4f}" for k, v in chosen["selection_macro_f1"].items()),
        ).strip()
    )


TEXT = """
# Results on the emotion data, beside the reference study

Made by `python benchmarks/results.py RUN ...` from the folders of

```
paretext run --data train.csv --eval validation.csv --labels labels.txt --model roberta \\
  --model distilroberta --learning-rate 1e-4 --epochs 3 --supersample 1,1,4,2,3,8 --out RUN --seed N
```

and, for the three seeds {seeds}, of the same command with `--model roberta` alone. 16,000 training
texts, of which 15% choose the epoch and the parent; {texts} validation texts are only measured on.
Training:
{settings}.

**The models are not the study's.** No model hub could be reached where this was measured, so
`roberta` is a 6-layer, 384-wide RoBERTa with the weights of a MiniLM sentence encoder (22.7 M
parameters) and `distilroberta` its layers 0, 2 and 4; the study fine-tuned the 12-layer, 768-wide
`roberta-base` (125 M). Macro-F1 may be read across; milliseconds and megabytes may not.
`recipes/study.yaml` repeats the study's own settings with its five models, for whoever can
download them.

## Where the study's figures differ in kind
- **Size.** The study's megabytes are those of output folders with every checkpoint and optimizer
  state in them (its RoBERTa-base weights are 475.6 MB). Here: the bytes of the files that get
  deployed, tokenizer included.
- **The pruned row.** The study's BEST_PRUNED is a pruned DistilRoBERTa compared with RoBERTa-base;
  its masks were removed before the recovery fine-tuning, which made the zeros non-zero again. Here
  the pruned version comes from the parent it is compared with, and exactly 35.0% of the Linear
  weights in the file that ships are zero.
- **Time.** Both are milliseconds per text at batch 32 on a CPU, tokenisation included, of
  different machines. Here all versions are interleaved in one run.
- **Differences.** The study gives none of its differences an interval. On 2,000 texts they are
  smaller than the noise.
- **Label names.** The header of the study's Table 3 is sorted by name, its columns by number.
  The names below are the right ones.

## Table 1: candidates
The run's parent is **{parent}**: macro-F1 on the 2,400 selection texts was {selection}, a
difference far inside the noise of a split of that size (its 95% interval is about 0.03 wide).
Which candidate wins such a tie is luck, and the validation texts below may see it the other way
round; the run takes the selection split's word all the same, because a choice made on the
validation texts would make their figures worthless.

{table_1}

## Tables 2 and 2.1: size, time, quality
{table_2}

## Table 3: F1 / recall in % per class
{table_3}

## Three seeds of the 6-layer model
{per_seed}

## The two-candidate run's whole comparison
{whole}
"""

if __name__ == "__main__":
    main()
