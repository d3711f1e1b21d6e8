"""The verb explore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer
from pydantic import Field

from paretext.cli.commands import Json
from paretext.core.errors import ParetextError
from paretext.data.given import Given
from paretext.data.tables import OnBadRow
from paretext.pipeline.sources import Reading
from paretext.profile.schema import ProfileSettings

if TYPE_CHECKING:
    from paretext.measure.drift import Cell, Drift
    from paretext.profile import Profile

STATUS = {"alike": 0, "changed": 1, "unlike": 1, "too few": 3}
"""Exit statuses with --against."""
_CLASSES, _WORDS, _LEMMAS, _ERRORS = 20, 8, 5, 8  # rows and words on the terminal
_ELSEWHERE = "--json and the page of --out have all"


class Explore(Reading, ProfileSettings):
    data: str = Field(
        title="DATA", description="Training texts: CSV, TSV, JSONL, Parquet, or a hub dataset."
    )
    against: Path | None = Field(
        None,
        title="ARTIFACT",
        description="Compare DATA, counts of serve --log, with what this was certified on.",
    )
    eval: Given = Field(
        None, title="FILE", description="Texts to measure on; leaks are looked for."
    )
    on_bad_row: OnBadRow = Field(
        "skip", description="Rows without text or label: skip and report them, or fail."
    )
    out: Path | None = Field(None, description="Folder for profile.html and profile.json.")


def explore(asked: Explore, json: Json = False) -> None:
    """Say what is in the data, and what to do about it, before anything is trained.

    With --against: whether the texts that a service has counted still look like those that its
    artifact was certified on. Exit status: 0 alike, 1 not, 3 too few to tell.

    Example: paretext explore train.csv --eval validation.csv --model roberta-base --out profile

    Example: paretext explore counts.parquet --against runs/emotion/artifacts/int8
    """
    if asked.against is not None:
        _explore_counts(asked, asked.against, json)
    from paretext.cli.console import dump_with, line, show_verdict
    from paretext.cli.endings import of_profile
    from paretext.data.dataset import require_trainable
    from paretext.data.reading import NamedBy
    from paretext.data.stop_words import stop_words
    from paretext.data.stream import open_labelled
    from paretext.profile import profile
    from paretext.serving.counts import is_counts

    if is_counts(Path(asked.data)):
        raise ParetextError(
            f"{asked.data} holds what a service has counted, and no texts: give --against "
            "ARTIFACT, that answered there."
        )
    stop_words(asked.language)  # an unknown language is refused before anything is read
    if asked.out:
        from paretext.core.locks import require_folder
        from paretext.report.profile_page import require_own_profile

        require_folder(asked.out)
        require_own_profile(asked.out)
    columns = asked.model_dump(include={"text_column", "label_column", "on_bad_row"})
    names, by = asked.names(), asked.named_by()
    train = open_labelled(asked.data, label_names=names, named_by=by, **columns)
    require_trainable(train)  # before the labels of the other are looked up in its own
    held = None
    if asked.eval:
        held = open_labelled(
            asked.eval,
            label_names=train.label_names,
            named_by=by or NamedBy.texts(train.name),
            split="validation",
            **columns,
        )
    data_profile = profile(train, held, ProfileSettings(**asked.part(ProfileSettings)))
    if asked.out:
        from paretext.core.files import Stages
        from paretext.core.locks import change
        from paretext.report.profile_page import write_profile

        with change(asked.out):
            Stages(asked.out.parent).forget(asked.out.name)
            write_profile(data_profile, asked.out)
    verdict = of_profile(data_profile, asked.data, asked.eval)
    if json:
        dump_with(verdict, data_profile.model_dump(mode="json"))
        return
    _show(data_profile)
    if asked.out:
        line()
        line(f"Wrote {asked.out}: profile.html and profile.json.")
    show_verdict(verdict)


def _explore_counts(asked: Explore, against: Path, json: bool) -> NoReturn:
    from paretext.cli.console import dump_with, show_verdict
    from paretext.cli.endings import of_counts
    from paretext.pipeline.counted import compare_counts

    if others := sorted(asked.model_fields_set - {"data", "against"}):
        raise ParetextError(
            f"--{others[0].replace('_', '-')} is for labelled texts, and with --against DATA is "
            "what a service has counted; leave one of the two out."
        )
    counted = compare_counts(asked.data, against)
    verdict = of_counts(counted, asked.data)
    if json:
        dump_with(verdict, counted.model_dump(mode="json"))
    else:
        if counted.drift.counted:
            _show_drift(counted.drift)
        show_verdict(verdict)
    raise typer.Exit(STATUS[counted.drift.found])


def _show_drift(drift: Drift) -> None:
    """What became of each measure, and of the labels' shares."""
    from paretext.cli.console import table
    from paretext.cli.endings import UNSURE_NAME

    def shares(cell: Cell) -> tuple[str, str]:
        counted = f"{cell.counted / drift.counted:.1%}" if drift.counted else ""
        return f"{cell.certified / drift.certified:.1%}", counted

    table(
        ("measure", "texts are", "PSI", "by chance", "p", "moved most", "certified", "counted"),
        [
            (
                each.measure,
                each.found,
                *(f"{each.psi:.3f}", f"{each.by_chance:.3f}", f"{each.p:.4f}"),
                *(each.moved[0].name or UNSURE_NAME, *shares(each.moved[0])),
            )
            for each in drift.shifts
        ],
        title="Population stability (0.1: changed, 0.25: unlike), and what chance gives",
        left=2,
        ranks=(0, 1, 2, 6, 7, 3, 4, 5),
        elsewhere="--json has all",
    )
    labels = next(each.moved for each in drift.shifts if each.measure == "labels")
    table(
        ("answer", "certified", "counted"),
        [(cell.name or UNSURE_NAME, *shares(cell)) for cell in labels[:_CLASSES]],
        title=f"The {_CLASSES} of {len(labels):,} answers that moved most (--json has all)"
        if len(labels) > _CLASSES
        else "Answers, those first that moved most",
    )


def _show(profile: Profile) -> None:
    """Tables, then every finding with what to do."""
    _show_classes(profile)
    _show_lengths(profile)
    _show_words(profile)
    _show_errors(profile)
    _show_findings(profile)


def _show_classes(profile: Profile) -> None:
    from paretext.cli.console import line, table

    rows = sorted(profile.classes.classes, key=lambda row: -row.count)
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
        title=f"Classes before and after supersampling ({profile.classes.supersample})",
        left=2,
        ranks=(0, 7, 1, 3, 5, 6, 4, 2),
        elsewhere=_ELSEWHERE,
    )
    if len(rows) > _CLASSES:
        line(f"The {_CLASSES} largest of {len(rows):,} classes; {_ELSEWHERE}.")


def _show_lengths(profile: Profile) -> None:
    from paretext.cli.console import table

    units = [profile.words, *([profile.tokens.lengths] if profile.tokens else [])]
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
        title=f"Lengths, and padding in batches of {profile.words.batch_size}",
        ranks=(0, 1, 2, 4, 3, 5, 6, 7),
        elsewhere=_ELSEWHERE,
    )


def _show_words(profile: Profile) -> None:
    from paretext.cli.console import table

    table(
        ("label", "words that set it apart (z)"),
        [
            (label, ", ".join(f"{w.word} {w.z:.1f}" for w in words[:_WORDS]))
            for label, words in list(profile.distinctive.by_class.items())[:_CLASSES]
            if words
        ],
        title="Distinctive words",
        left=2,
    )
    if profile.word_forms and profile.word_forms.lemmas:
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
                for lemma in profile.word_forms.lemmas[:_LEMMAS]
            ],
            title="Word forms that classes prefer",
            left=2,
        )


def _show_errors(profile: Profile) -> None:
    from paretext.cli.console import table

    if profile.label_errors and profile.label_errors.most_confident:
        table(
            ("text", "label", "perhaps", "row"),
            [
                (
                    _short(each.text),
                    each.label,
                    each.likely,
                    str(each.row),
                )
                for each in profile.label_errors.most_confident[:_ERRORS]
            ],
            title="Doubtful labels, most confident first",
            left=3,
            ranks=(0, 2, 3, 1),
            elsewhere=_ELSEWHERE,
        )


def _show_findings(profile: Profile) -> None:
    from paretext.cli.console import line

    for finding in profile.findings:
        line(f"{finding.level}: {finding.found}")
        line(f"-> {finding.do}")


def _bar(share: float) -> str:
    return "█" * max(round(12 * share), 1) if share else ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 70 else f"{text[:69]}…"
