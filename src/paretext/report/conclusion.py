"""The run's verdict: which version to deploy, what it buys, what it costs, and what is open.

The rule, so that anybody can check it: of the versions made from the parent's artifact, the
smallest whose certificate **holds**, in the fixed sequence from the largest to the smallest (what
comes after the first that does not hold may not be chosen on the same texts). Undecided is not
deployable, and what would decide it is said. Where none holds, the parent's artifact itself. Only
where no version has a certificate is one named without, the smallest whose macro-F1 is not shown to
be lower, as what to certify next.

Before all that: where the parent is no model (`standing`), nothing made from it is recommended, and
a baseline that is one takes its place. So does a baseline that is smaller and faster than the
chosen version and scores no less.

`sentences` are what a terminal has room for; `details` are for the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretext.certification.certificate import Certificate
from paretext.certification.wording import claim, clause_name, counted, would_decide
from paretext.core.records import Interval
from paretext.core.unfinished import Unfinished
from paretext.core.verdict import loading, predicting, shell
from paretext.core.wording import listed, sentence
from paretext.measure.comparison import BASELINE
from paretext.measure.standing import Standing
from paretext.report.numbers import how_much_faster, megabytes, smaller, unsigned
from paretext.report.run_data import Conclusion, VersionRow
from paretext.report.wording import beside

UNKNOWN = "the machine was too busy to time it"
NOTHING = "Nothing is measured yet, so there is nothing to conclude."
UNFINISHED = "The run was interrupted before anything was measured."
FROM_BEFORE = "This is from before: a later command was interrupted."


@dataclass(frozen=True)
class Where:
    """Where things lie, and the commands that would mend what is amiss.

    artifacts: each version's folder. run: the run's folder, if they lie in one. measure, train: the
    commands that measure on other texts and that train longer. trained: what the parent was called
    as a candidate. rising: what to do where it was still rising when its training ended.
    unmade: what a ladder left out, and why.
    """

    artifacts: Mapping[str, Path]
    measure: str
    train: str | None = None
    run: Path | None = None
    trained: str | None = None
    rising: str | None = None
    unmade: tuple[str, ...] = ()

    def using(self, version: str) -> dict[str, Any]:
        """What a conclusion says of the version to deploy."""
        folder = self.artifacts.get(version)
        if folder is None:  # measured, and gone since
            return {"version": version}
        inside = folder.relative_to(self.run).as_posix() if self.run else str(folder)
        command, python = predicting(folder), loading(folder)
        return {"version": version, "path": inside, "command": command, "python": python}

    def named(self, version: str) -> str:
        """ "int8: runs/x/artifacts/int8" """
        return f"{version}: {self.artifacts.get(version, 'its artifact is gone')}"


def conclude(
    versions: Sequence[VersionRow],
    certificates: Mapping[str, Certificate],
    where: Where,
    standing: Standing | None = None,
    answered_by: str | None = None,
) -> Conclusion:
    """What to deploy, and whether a transformer is worth its cost here.

    standing: the reference's; None where it is not known (a comparison of an older version).
    answered_by: the model whose answers stood in for labels.
    """
    own = [row for row in versions if row.derived and row.version != BASELINE]
    if not own:
        return Conclusion(headline=NOTHING, command=where.measure)
    if standing is not None and not standing.is_good:
        return _no_good(versions, where, standing)
    chosen = _choose(own, certificates)
    broken = [row for row in own if row.verdict == "broken"]
    reference = _reference(own)
    if (better := _baseline_in_its_place(versions, reference, chosen)) is not None:
        return _instead(better, reference, chosen, standing, where)
    first, beaten = _without_transformer(versions, reference)
    certificate = certificates.get(chosen.version)
    said, details = [*first], [*beaten]
    if chosen is reference:
        said += _alone(own, where, certificates)
    said.append(f"{sentence(_bought(chosen, versions[0]))}. {_lost(chosen, answered_by)}.")
    if chosen is reference or chosen.parent in (None, BASELINE):
        verdict: Any = "parent"
    elif chosen.verdict is None or certificate is None:
        verdict = "uncertified"
        said.append("No certificate says what that may cost on other texts.")
    else:
        verdict = chosen.verdict
        texts = f"{certificate.data.texts:,} texts of {certificate.data.name}"
        said.append(certificate.sentence or claim(certificate))
        details.append(f"Its certificate, on {texts}: {counted(certificate)}.")
    details += _open(own, certificates)
    if broken:
        said.append(f"Do not deploy {listed(_names(broken))}: broken.")
        details += [_broken(row, certificates) for row in broken]
    if where.rising is not None:
        said.append(f"The parent may get better: its {where.rising}.")
    details += [f"{sentence(each)}." for each in where.unmade]
    details += [standing.scores] if standing is not None else []
    headline = f"Deploy {where.named(chosen.version)}"
    if verdict == "uncertified":
        headline = (
            f"Certify {chosen.version} before you deploy it: "
            f"{where.artifacts.get(chosen.version, 'its artifact is gone')}"
        )
    conclusion = Conclusion(
        headline=headline,
        sentences=tuple(said),
        details=tuple(details),
        verdict=verdict,
        **where.using(chosen.version),
    )
    if verdict != "uncertified" or conclusion.path is None:
        return conclusion
    against = where.artifacts.get(reference.version, "PARENT")
    asked = (where.artifacts[chosen.version], "--against", against, "--eval", "EVAL.csv")
    return conclusion.model_copy(update={"command": shell("certify", *asked)})


def going_on(conclusion: Conclusion, begun: Unfinished | None) -> Conclusion:
    """The conclusion of a run in which a command was begun and has not ended: that comes next."""
    if begun is None:
        return conclusion
    nothing = conclusion.headline == NOTHING
    said = (f"{'' if nothing else f'{FROM_BEFORE} '}{begun.sentence}",)
    return conclusion.model_copy(
        update={
            "headline": UNFINISHED if nothing else conclusion.headline,
            "sentences": (*conclusion.sentences, *said),
            "command": begun.command or conclusion.command,
        }
    )


def _no_good(versions: Sequence[VersionRow], where: Where, standing: Standing) -> Conclusion:
    """Nothing made from the reference; a baseline in its place, where one is good."""
    reason, remedy = f"{sentence(str(standing.reason))}.", standing.remedy
    best = standing.instead
    row = next((each for each in versions if best and each.version == best.name), None)
    if best is None or row is None:
        return Conclusion(
            headline=standing.headline,
            sentences=(remedy,),
            details=(standing.scores,),
            command=(where.train if standing.verdict == "no better" else None) or where.measure,
            verdict="nothing",
        )
    score = f"macro-F1 {row.macro_f1.written(unsigned)}" if row.macro_f1 else "macro-F1 undefined"
    cost = f"{best.name} has {score} (chance is {standing.chance_macro_f1:.3f}), {_cost(row)}."
    return Conclusion(
        headline=f"Deploy {where.named(best.name)}",
        sentences=(reason, cost, remedy),
        details=(standing.scores,),
        verdict="baseline",
        **where.using(best.name),
    )


def _reference(own: Sequence[VersionRow]) -> VersionRow:
    """What the others were made from."""
    return next((row for row in own if row.parent in (None, BASELINE)), own[0])


def _choose(own: Sequence[VersionRow], certificates: Mapping[str, Certificate]) -> VersionRow:
    """The smallest that may be chosen; the reference where there is none."""
    reference = _reference(own)
    if any(row.verdict for row in own):
        pool = [row for row in own if row.verdict == "holds" and _may(row, certificates)]
    else:
        pool = [row for row in own if row is reference or not _is_loss(row.macro_f1_drop)]
    return min(pool, key=lambda row: row.bytes, default=reference)


def _may(row: VersionRow, certificates: Mapping[str, Certificate]) -> bool:
    """Whether nothing larger failed before it. Of an artifact that is gone nothing is known."""
    certificate = certificates.get(row.version)
    return certificate is None or certificate.may_be_chosen


def _alone(
    own: Sequence[VersionRow], where: Where, certificates: Mapping[str, Certificate]
) -> list[str]:
    """Why it is the reference itself."""
    if not _reference(own).is_encoder:
        it = f"It is {where.trained}: no" if where.trained else "No"
        return [f"{it} transformer was trained, and there is nothing to compress."]
    others = [row for row in own if row.verdict]
    if all(row.verdict == "broken" for row in others):
        return ["No compressed version is worth taking."] if len(own) > 1 else []
    needed = {
        row.version: texts
        for row in others
        if row.version in certificates and (texts := would_decide(certificates[row.version]))
    }
    said = ["No compressed version's certificate lets it be chosen."]
    if needed:
        first = min(needed, key=lambda name: needed[name])
        asked = ("--against", where.artifacts.get(_reference(own).version, "PARENT"))
        again = shell("certify", where.artifacts.get(first, first), *asked, "--eval", "MORE.csv")
        enough = needed[first] <= certificates[first].data.texts
        many = "As many other texts may" if enough else f"About {needed[first]:,} texts would"
        said.append(f"{many} decide {first}'s ({again}).")
    return said


def _bought(row: VersionRow, first: VersionRow) -> str:
    """What it buys against the first version."""
    if row is first or (not row.is_encoder and row.parent in (None, BASELINE)):
        return _cost(row)
    than = "PyTorch" if first.version == BASELINE else first.version
    size = smaller(row.smaller, 1)
    size += f" as {than}" if size == "as large" else f" than {than}"
    if row.faster_batch1 is None:
        return f"{size} (how much faster is not known: {UNKNOWN})"
    return f"{how_much_faster(row.faster_batch1, 1)} at batch 1, {size}"


def _cost(row: VersionRow) -> str:
    time = UNKNOWN if row.unsteady else f"{row.batch1_ms_p50:.2f} ms a text at batch 1"
    return f"{megabytes(row.bytes)} MB, {time}"


def _lost(row: VersionRow, answered_by: str | None) -> str:
    if row.macro_f1 is None:
        return "Its macro-F1 is undefined"
    if row.macro_f1_drop is None or row.parent in (None, BASELINE):
        return f"Its macro-F1 is {row.macro_f1.written(unsigned)}"
    differ = f"{row.flips.estimate:.1%} of its answers differ" if row.flips else ""
    if answered_by is not None:
        differ = differ or "Some of its answers differ"
        return f"{differ} from {row.parent}'s; no label says which are right"
    score = (
        f"Its macro-F1 is {row.macro_f1.estimate:.3f}, {beside(row.macro_f1_drop, str(row.parent))}"
    )
    return f"{score}; {differ}" if differ else score


def _open(own: Sequence[VersionRow], certificates: Mapping[str, Certificate]) -> list[str]:
    """What is undecided, what would decide it, and what may not be chosen."""
    own_certificates = [certificates[row.version] for row in own if row.version in certificates]
    kept = [
        each for each in own_certificates if each.verdict != "broken" and not each.may_be_chosen
    ]
    return [each.sentence or claim(each) for each in kept]


def _names(rows: Sequence[VersionRow]) -> list[str]:
    return [row.version for row in rows]


def _broken(row: VersionRow, certificates: Mapping[str, Certificate]) -> str:
    certificate = certificates.get(row.version)
    clauses = (
        [each for each in certificate.clauses if each.verdict == "broken"] if certificate else []
    )
    what = f" (broken: {listed([*map(clause_name, clauses)])})" if clauses else ""
    return f"Do not deploy {row.version}{what}."


def _best_baseline(versions: Sequence[VersionRow], reference: VersionRow) -> VersionRow | None:
    """The best model without a transformer that was trained beside one."""
    others = [row for row in versions if not row.derived and not row.is_encoder and row.macro_f1]
    if not reference.is_encoder or not others:
        return None
    return max(others, key=lambda row: row.macro_f1.estimate if row.macro_f1 else 0)


def _baseline_in_its_place(
    versions: Sequence[VersionRow], reference: VersionRow, chosen: VersionRow
) -> VersionRow | None:
    """A model without a transformer that scores no less than the chosen version and costs less."""
    best = _best_baseline(versions, reference)
    if (
        best is None
        or best.macro_f1 is None
        or chosen.macro_f1 is None
        or best.bytes > chosen.bytes
    ):
        return None
    faster = best.unsteady or chosen.unsteady or best.batch1_ms_p50 < chosen.batch1_ms_p50
    return best if faster and best.macro_f1.estimate >= chosen.macro_f1.estimate else None


def _instead(
    best: VersionRow,
    reference: VersionRow,
    chosen: VersionRow,
    standing: Standing | None,
    where: Where,
) -> Conclusion:
    """The model without a transformer, in the place of the version that was chosen."""
    assert best.macro_f1 is not None
    assert chosen.macro_f1 is not None
    of = chosen.version if chosen is not reference else "the transformer"
    said = [
        f"It has no transformer, and a macro-F1 of {best.macro_f1.estimate:.3f} beside "
        f"{chosen.macro_f1.estimate:.3f} of {of}: {_cost(best)}."
    ]
    if where.rising is not None:
        said.append(f"The transformer may get better: its {where.rising}.")
    elif best.macro_f1_drop is not None and not best.macro_f1_drop.high < 0:
        said.append("These texts do not show that one of the two is better; more would.")
    return Conclusion(
        headline=f"Deploy {where.named(best.version)}",
        sentences=tuple(said),
        details=(standing.scores,) if standing is not None else (),
        verdict="baseline",
        **where.using(best.version),
    )


def _without_transformer(
    versions: Sequence[VersionRow], reference: VersionRow
) -> tuple[list[str], list[str]]:
    """Is the transformer worth it? Asked where a model without one was trained beside it; the
    answer stands first where it is no, and among the details where it is yes."""
    best = _best_baseline(versions, reference)
    if best is None:
        return [], []
    drop, score, own = best.macro_f1_drop, best.macro_f1, reference.macro_f1
    if drop is None or score is None or own is None:
        return [], []
    if _is_loss(drop):
        said = (
            f"Is the transformer worth it? In quality, yes: the best model without one, "
            f"{best.version} ({_cost(best)}), has a macro-F1 of {score.estimate:.3f}, "
            f"{beside(drop, reference.version)}."
        )
        return [], [said]
    good = "is better than" if drop.high < 0 else "is as good, as far as these texts can show, as"
    said = (
        f"{best.version}, trained beside it, {good} the transformer: macro-F1 "
        f"{score.estimate:.3f} against {own.estimate:.3f}, {_cost(best)}."
    )
    return [said], []


def _is_loss(drop: Interval | None) -> bool:
    return drop is not None and drop.low > 0
