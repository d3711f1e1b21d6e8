"""The verb explore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from paretext.cli.options import Json, LabelColumn, Labels, TextColumn
from paretext.core.errors import ParetextError

if TYPE_CHECKING:
    from paretext.profile import Profile

_CLASSES, _WORDS, _LEMMAS, _ERRORS = 20, 8, 5, 8  # rows and words on the terminal
_ELSEWHERE = "--json and the page of --out have all"


def explore(
    data: Annotated[
        str, typer.Argument(help="Training texts: CSV, TSV, JSONL, Parquet, or a hub dataset.")
    ],
    eval_: Annotated[
        str | None, typer.Option("--eval", help="Texts to measure on; leaks are looked for.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for profile.html and profile.json.")
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    labels: Labels = None,
    on_bad_row: Annotated[
        Literal["fail", "skip"],
        typer.Option(help="Rows without text or label: skip and report them, or fail."),
    ] = "skip",
    language: Annotated[str, typer.Option(help="Of stop words and lemmas: en, de, fr ...")] = "en",
    model: Annotated[
        str | None, typer.Option(help="Hub id or folder whose tokens are counted.")
    ] = None,
    max_length: Annotated[int, typer.Option(min=2, help="Longest input in tokens.")] = 128,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts per batch, for the padding.")] = 32,
    supersample: Annotated[
        str, typer.Option(help="Copies of each class's texts: 1,1,4,2,3,8 or auto.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of samples and folds.")] = 0,
    json: Json = False,
) -> None:
    """Say what is in the data, and what to do about it, before anything is trained.

    Example: paretext explore train.csv --eval validation.csv --model roberta-base --out profile
    """
    from pydantic import ValidationError

    from paretext.cli.console import dump_with, line, show_verdict
    from paretext.cli.endings import of_profile
    from paretext.data.dataset import read_label_names, require_trainable
    from paretext.data.reading import NamedBy
    from paretext.data.stop_words import stop_words
    from paretext.data.stream import open_labelled
    from paretext.profile import ProfileSettings, profile

    try:
        settings = ProfileSettings(
            language=language,
            model=model,
            max_length=max_length,
            batch_size=batch_size,
            supersample=supersample,
            seed=seed,
        )
    except ValidationError as error:
        raise ParetextError(f"{error.errors()[0]['ctx']['error']}.") from None
    stop_words(language)  # an unknown language is refused before anything is read
    if out:
        from paretext.core.locks import require_folder
        from paretext.report.profile_page import require_own_profile

        require_folder(out)
        require_own_profile(out)
    names = read_label_names(labels) if labels else None
    by = NamedBy.file(labels) if labels else None
    train = open_labelled(
        data,
        label_names=names,
        named_by=by,
        on_bad_row=on_bad_row,
        text_column=text_column,
        label_column=label_column,
    )
    require_trainable(train)  # before the labels of the other are looked up in its own
    held = None
    if eval_:
        held = open_labelled(
            eval_,
            label_names=train.label_names,
            named_by=by or NamedBy.texts(train.name),
            split="validation",
            on_bad_row=on_bad_row,
            text_column=text_column,
            label_column=label_column,
        )
    found = profile(train, held, settings)
    if out:
        from paretext.core.files import Stages
        from paretext.core.locks import change
        from paretext.report.profile_page import write_profile

        with change(out):
            Stages(out.parent).forget(out.name)
            write_profile(found, out)
    verdict = of_profile(found, data, eval_)
    if json:
        dump_with(verdict, found.model_dump(mode="json"))
        return
    _show(found)
    if out:
        line()
        line(f"Wrote {out}: profile.html and profile.json.")
    show_verdict(verdict)


def _show(found: Profile) -> None:
    """Tables, then every finding with what to do."""
    _show_classes(found)
    _show_lengths(found)
    _show_words(found)
    _show_errors(found)
    _show_findings(found)


def _show_classes(found: Profile) -> None:
    from paretext.cli.console import line, table

    rows = sorted(found.classes.classes, key=lambda row: -row.count)
    most = max(row.count for row in rows)
    table(
        ("label", "bar", "texts", "share", "copies", "after", "loss weight", "evaluation"),
        [
            (
                row.label,
                _bar(row.count / most),
                f"{row.count:,}",
                f"{row.share:.1%}",
                str(row.copies),
                f"{row.count_after:,}",
                f"{row.weight:.3f}",
                "" if row.evaluation_count is None else f"{row.evaluation_count:,}",
            )
            for row in rows[:_CLASSES]
        ],
        title=f"Classes before and after supersampling ({found.classes.supersample})",
        left=2,
        ranks=(0, 7, 1, 3, 5, 6, 4, 2),
        elsewhere=_ELSEWHERE,
    )
    if len(rows) > _CLASSES:
        line(f"The {_CLASSES} largest of {len(rows):,} classes; {_ELSEWHERE}.")


def _show_lengths(found: Profile) -> None:
    from paretext.cli.console import table

    units = [found.words, *([found.tokens.lengths] if found.tokens else [])]
    table(
        ("unit", "mean", "median", "95%", "99%", "longest", "padding at random", "sorted"),
        [
            (
                lengths.unit,
                f"{lengths.mean:.1f}",
                *(f"{lengths.quantiles[name]:,}" for name in ("p50", "p95", "p99", "max")),
                f"{lengths.padding_random:.1%}",
                f"{lengths.padding_sorted:.1%}",
            )
            for lengths in units
        ],
        title=f"Lengths, and padding in batches of {found.words.batch_size}",
        ranks=(0, 1, 2, 4, 3, 5, 6, 7),
        elsewhere=_ELSEWHERE,
    )


def _show_words(found: Profile) -> None:
    from paretext.cli.console import table

    table(
        ("label", "words that set it apart (z)"),
        [
            (label, ", ".join(f"{w.word} {w.z:.1f}" for w in words[:_WORDS]))
            for label, words in list(found.distinctive.by_class.items())[:_CLASSES]
            if words
        ],
        title="Distinctive words",
        left=2,
    )
    if found.word_forms and found.word_forms.lemmas:
        table(
            ("lemma", "preferred most", "Cramér's V"),
            [
                (
                    lemma.lemma,
                    "; ".join(
                        f"{each.label}: {each.form} {each.share:.0%} "
                        f"(elsewhere {each.elsewhere:.0%})"
                        for each in lemma.preferences[:2]
                    ),
                    f"{lemma.v:.2f}",
                )
                for lemma in found.word_forms.lemmas[:_LEMMAS]
            ],
            title="Word forms that classes prefer",
            left=2,
        )


def _show_errors(found: Profile) -> None:
    from paretext.cli.console import table

    if found.label_errors and found.label_errors.most_confident:
        table(
            ("text", "label", "perhaps", "row"),
            [
                (
                    _short(each.text),
                    each.label,
                    each.likely,
                    str(each.row),
                )
                for each in found.label_errors.most_confident[:_ERRORS]
            ],
            title="Doubtful labels, most confident first",
            left=3,
            ranks=(0, 2, 3, 1),
            elsewhere=_ELSEWHERE,
        )


def _show_findings(found: Profile) -> None:
    from paretext.cli.console import line

    for finding in found.findings:
        line(f"{finding.level}: {finding.found}")
        line(f"-> {finding.do}")


def _bar(share: float) -> str:
    return "█" * max(round(12 * share), 1) if share else ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 70 else f"{text[:69]}…"
