"""The verb ablate."""

from __future__ import annotations

from paretext.cli.commands import Json
from paretext.pipeline.options import Ablate


def ablate(asked: Ablate, json: Json = False) -> None:
    """Train twice with one thing changed, stop words or the encoder, and measure the difference.

    Example: paretext ablate --data train.csv --eval test.csv --model roberta-base
    --remove-stop-words --seed 1 --seed 2 --seed 3 --out runs/ablation

    Started again with the same arguments it goes on where it was.
    """
    from paretext.cli.console import dump_with, line, show_verdict, table
    from paretext.cli.endings import of_ablation
    from paretext.pipeline import calls

    ablation, recipe = calls.ablate(asked)
    verdict = of_ablation(ablation, recipe.models, asked.remove_stop_words, asked.out)
    if json:
        dump_with(verdict, ablation.record())
        return
    table(ablation.columns, ablation.rows())
    line(f"Wrote {asked.out}: ablation.md, ablation.json, candidates/.")
    show_verdict(verdict)
