"""The options that several verbs of the command line share, each with its help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

DataFile = Annotated[str, typer.Option("--data", help="Training texts: a table, a hub dataset.")]
EvalFile = Annotated[
    str, typer.Option("--eval", help="Texts that are only ever measured on, in the same formats.")
]
SelectionFile = Annotated[
    str | None,
    typer.Option("--selection", help="Texts to choose by (default: 15% of --data)."),
]
TextColumn = Annotated[str | None, typer.Option(help="Column of the texts (default: guessed).")]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the labels (default: guessed).")]
Labels = Annotated[
    Path | None, typer.Option("--labels", help="The label names, 0 first: one a line, or a,b,c.")
]
OnBadRow = Annotated[
    Literal["fail", "skip"],
    typer.Option(help="Rows that cannot be used"),
]
DropLeaks = Annotated[
    bool, typer.Option("--drop-leaks", help="Leave texts out of --eval that stand in training.")
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        help="Hub id, folder, tfidf, bilstm, bigru; may repeat.",
    ),
]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", help="YAML with models, training and versions.")
]
Presets = Annotated[
    list[str] | None,
    typer.Option("--preset", help="int8, safe, small, tiny or pruned; may repeat."),
]
UnlabelledFile = Annotated[
    Path | None,
    typer.Option("--unlabelled", help="More texts of the same kind, for distillation."),
]
Budgets = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        help='Limits: a YAML file, or "size<=5MB, flips<=3%".',
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The run's folder.")]
MaxLength = Annotated[int | None, typer.Option(help="Longest input in tokens (default: 128).")]
RemoveStopWords = Annotated[
    bool | None,
    typer.Option(
        "--remove-stop-words/--keep-stop-words",
        help="In every model's tokenizer (default: bilstm and bigru remove them).",
    ),
]
Language = Annotated[str | None, typer.Option(help="Of stop words: en, de, fr ... (default: en).")]
LearningRate = Annotated[
    float | None,
    typer.Option(help="Peak (default: by the encoder's width)."),
]
BatchSize = Annotated[int | None, typer.Option(help="Texts per training step (default: 32).")]
Steps = Annotated[
    int | None,
    typer.Option(help="Most steps (default: by texts and classes)."),
]
Epochs = Annotated[int | None, typer.Option(help="Most epochs, in place of --steps; at 5e-5.")]
Patience = Annotated[
    int | None,
    typer.Option(help="Evaluations without a better one (a third)."),
]
Supersample = Annotated[str | None, typer.Option(help="Copies of each class: 1,1,4,2,3,8 or auto.")]
ClassWeights = Annotated[
    bool | None,
    typer.Option(
        "--class-weights/--no-class-weights", help="Weigh classes inversely (default: yes)."
    ),
]
Precision = Annotated[str | None, typer.Option(help="auto, bf16 or fp32 (default: auto).")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda (default: auto).")]
Seed = Annotated[int | None, typer.Option(help="Of splits, head and order (default: 0).")]
Threads = Annotated[int | None, typer.Option(min=1, help="Cores to use (default: all).")]
Rounds = Annotated[int, typer.Option(min=1, help="Interleaved rounds of timing.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
