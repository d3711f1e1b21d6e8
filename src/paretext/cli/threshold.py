"""The verb threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretext.cli.commands import Json
from paretext.pipeline.options import Threshold

if TYPE_CHECKING:
    from paretext.certification.decided import Decided
    from paretext.certification.records import Rates

_COLUMNS = ("label", "recall", "precision", "false positives", "recall drop", "precision drop")


def threshold(asked: Threshold, json: Json = False) -> None:
    """Tune when an artifact answers: a threshold for each label, or a share of unsure texts.

    It is written into the artifact, without a new export; `predict` leaves the label of an unsure
    text empty and says so in a column of its own.

    Example: paretext threshold runs/emotion/artifacts/int8 --selection validation.csv
    --aim "unsure<=5%" --eval test.csv
    """
    from paretext.cli.console import dump_with, line, show_verdict
    from paretext.cli.endings import of_rule
    from paretext.pipeline.operating import threshold as tune

    tuned = tune(asked)
    verdict = of_rule(tuned, str(asked.eval) if asked.eval else None)
    if json:
        roles = zip(("selection", "eval"), tuned.figures, strict=False)
        figures = {role: each.model_dump(mode="json") for role, (_, each) in roles}
        rule = tuned.rule.model_dump(mode="json") if tuned.rule else None
        dump_with(verdict, {"rule": rule, "against": tuned.against, "figures": figures})
        return
    for name, each in tuned.figures:
        _show(name, each, tuned.against or "the same without a rule")
    if tuned.rule:
        for said in (*tuned.rule.sentences(), tuned.rule.origin):
            line(f"- {said}")
    show_verdict(verdict)


def _show(name: str, figures: Decided, against: str) -> None:
    from paretext.cli.console import line, table

    rows = []
    for each in figures.labels:
        drops = [each.recall_drop, each.precision_drop]
        said = ["" if drop is None else drop.written("{:+.3f}".format) for drop in drops]
        rows.append((each.label, *_rates(each.candidate), *said))
    table(
        _COLUMNS,
        rows,
        title=f"{figures.texts:,} texts of {name}, drops against {against}",
        elsewhere="--json has all",
    )
    line(
        f"Unsure: {figures.candidate_unsure.written('{:.1%}'.format)}; of {against} "
        f"{figures.reference_unsure.estimate:.1%}, a rise of "
        f"{figures.unsure_rise.written('{:+.1%}'.format)}."
    )


def _rates(rates: Rates) -> tuple[str, str, str]:
    precision = "" if rates.precision is None else rates.precision.written()
    return rates.recall.written(), precision, rates.false_positive_rate.written()
