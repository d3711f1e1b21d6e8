"""The verb train."""

from __future__ import annotations

from paretext.cli.commands import Json
from paretext.pipeline.options import Train


def train(asked: Train, json: Json = False) -> None:
    """Train one or more models; the best encoder on the selection split becomes the parent.

    Example: paretext train --data train.csv --model roberta-base --model tfidf --out runs/emotion
    """
    from paretext.cli.console import dump_with, show_verdict, table
    from paretext.cli.endings import of_training
    from paretext.pipeline import calls
    from paretext.pipeline.candidates import best_epoch

    trained = calls.train(asked)
    best = {name: best_epoch(folder.parent) for name, folder in trained.folders.items()}
    scores = {name: float(row["selection_macro_f1"]) for name, row in best.items()}
    verdict = of_training(trained.parent, trained.folders, scores, trained.encoder, asked.out)
    if json:
        dump_with(verdict, {"parent": trained.parent, "candidates": best})
        return
    table(
        ("candidate", "macro-F1 on selection", "step", "epoch"),
        [
            (n, f"{row['selection_macro_f1']:.4f}", str(row.get("step", "")), str(row["epoch"]))
            for n, row in best.items()
        ],
    )
    show_verdict(verdict)
