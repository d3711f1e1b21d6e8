"""What each verb ends with, where it is not a run's conclusion: its verdict and the next command.

A word in capitals stands for what only the reader knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretext.core.run_folder import PARENT, RunFolder
from paretext.core.verdict import Verdict, loading, opening, predicting, shell
from paretext.core.wording import first_few, sentence

if TYPE_CHECKING:
    from paretext.certification.certificate import Certificate
    from paretext.measure.comparison import Comparison
    from paretext.measure.drift import Drift, Shift
    from paretext.pipeline.ablation import Ablation
    from paretext.pipeline.counted import Counted
    from paretext.pipeline.operating import Tuned
    from paretext.pipeline.options import Certify
    from paretext.profile import Profile
    from paretext.report.run_data import Conclusion
    from paretext.tuning.result import SearchResult

UNSURE_NAME = "(unsure)"
"""Of the answers that an artifact's rule lets not stand."""
_MOVED = {
    "labels": "{cell} was the answer to {then:.1%} of the texts, and is to {now:.1%}",
    "confidence": "{then:.1%} of the texts had {cell}, and {now:.1%} have",
    "characters": "{then:.1%} of the texts had {cell}, and {now:.1%} have",
    "cut": "{then:.1%} of the texts were {cell}, and {now:.1%} are",
}
_TRAIN, _EVAL, _MORE, _NEW = "TRAIN.csv", "EVAL.csv", "MORE.csv", "NEW"


def of_run(run: Path) -> Conclusion:
    """A run's, in the words of its page."""
    from paretext.report.run_gather import gather

    return gather(run).conclusion


def of_comparison(comparison: Comparison, artifacts: Sequence[Path], out: Path) -> Conclusion:
    """Of artifacts that lie anywhere, or of a run's."""
    from paretext.report.run_gather import conclusion_of

    run = out.parent
    if out.name == "comparison" and RunFolder(run).artifacts.is_dir():
        return of_run(run)
    return conclusion_of(comparison, {folder.name: folder for folder in artifacts}, out)


def of_certificate(
    certificate: Certificate, artifact: Path, against: str | Path | None = None
) -> Verdict:
    """Whether an artifact may stand in its reference's place, and what would decide it.

    against: the reference; where it is not known, the artifact of its name in the same run.
    """
    from paretext.certification.wording import beside_claim, claim

    against = against or _reference(artifact, certificate.reference.name)
    name, reference = certificate.candidate.name, certificate.reference.name
    count, texts = beside_claim(certificate), f"{certificate.data.texts:,} texts"
    lost = f"{certificate.flips.flipped:,} of {certificate.flips.texts:,} answers differ"
    sentence = certificate.sentence or claim(certificate)
    said = [sentence, f"Against {reference} on {texts}: {count}{lost}."]
    again = shell("certify", artifact, "--against", against, "--eval", _MORE)
    use = {"path": str(artifact), "command": predicting(artifact), "python": loading(artifact)}
    standing = certificate.standing
    if standing is not None and standing.reason is not None:
        forced = "" if certificate.is_held_out else "Made with --force. "
        said.append(f"{forced}It compares two models, and says nothing good of either.")
        return Verdict(
            headline=standing.headline, sentences=(*said, standing.remedy), command=again
        )
    if certificate.verdict == "holds" and not certificate.may_be_chosen:
        headline = f"Do not deploy {name} on this evidence: it may not be chosen on these texts."
        return Verdict(headline=headline, sentences=tuple(said), command=again)
    if certificate.verdict == "holds":
        return Verdict(headline=f"Deploy {name}: {artifact}", sentences=tuple(said), **use)
    if certificate.verdict == "broken":
        headline = f"Do not deploy {name} in place of {reference}: its certificate is broken."
        mend = shell("search", against, "--data", _TRAIN, "--eval", _EVAL)
        if certificate.reference.kind == "artifact":
            mend = predicting(against)
        return Verdict(headline=headline, sentences=tuple(said), command=mend)
    headline = f"Do not deploy {name} in place of {reference} yet: its certificate is undecided."
    return Verdict(headline=headline, sentences=tuple(said), command=again)


def _reference(artifact: Path, name: str) -> str | Path:
    """Where it is, if it lies beside the artifact."""
    return beside if (beside := artifact.parent / name).is_dir() else "REFERENCE"


def of_predictions(
    certificate: Certificate, place: Path, new: str | Path, old: str | Path, truth: str | Path
) -> Verdict:
    """Whether one table of answers may stand in another's place; the next model is asked against
    the one that then stands there."""
    verdict = of_certificate(certificate, place, old)
    name, reference = certificate.candidate.name, certificate.reference.name
    against, more = (new if certificate.may_be_chosen else old), truth
    headline, wanted = verdict.headline, "NEXT.csv"
    if headline.startswith(f"Deploy {name}"):
        headline = f"{name} may replace {reference}: {place}"
    elif certificate.verdict == "undecided":
        wanted, more = str(new), Path(_MORE)
    return Verdict(
        headline=headline,
        sentences=(*verdict.sentences, f"Its flips are listed in {place / 'flips.csv'}."),
        path=str(place),
        command=shell("certify", "--predictions", wanted, "--against", against, "--eval", more),
    )


def of_unlabelled(certificate: Certificate, asked: Certify) -> Verdict:
    """As of labelled texts; where labels would decide, the command that takes them."""
    from paretext.pipeline.certified import certifying, giving_back

    verdict = of_certificate(certificate, Path(asked.artifact or ""), asked.against)
    record = certificate.unlabelled
    if certificate.verdict != "undecided" or record is None:
        return verdict
    open_ = {each.name for each in certificate.clauses if each.verdict == "undecided"}
    few = "accuracy_drop" in open_ and record.labels_needed is None
    none_decide = few or record.labelled == certificate.flips.flipped or open_ <= {"flips"}
    if none_decide and not asked.label_page:
        command = certifying(asked, "--unlabelled", _MORE)  # no labels of these would decide
    else:
        command = giving_back(asked)
    return verdict.model_copy(update={"command": command})


def of_training(
    parent: str, folders: Mapping[str, Path], scores: Mapping[str, float], encoder: bool, out: Path
) -> Verdict:
    """Which model became the parent, and whether another beats it."""
    folder = folders[parent]
    best = max(scores, key=lambda name: scores[name])
    said = [f"It has a macro-F1 of {scores[parent]:.3f} on the texts to choose by."]
    if best != parent:
        said.insert(0, f"{best}, trained beside it, has a higher macro-F1: {scores[best]:.3f}.")
    command = shell("compress", out, "--data", _TRAIN, "--eval", _EVAL)
    if not encoder:
        said.append("No transformer was trained, so there is nothing to compress.")
        models = [each for name in folders for each in ("--model", name)]
        command = shell("run", "--data", _TRAIN, "--eval", _EVAL, *models, "--out", out)
    return Verdict(
        headline=f"The parent is {parent}: {folder}",
        sentences=tuple(said),
        path=str(folder),
        command=command,
        python=opening(folder),
    )


def of_search(outcome: SearchResult, source: Path) -> Verdict:
    """The winner; or what was nearest, and how to look further."""
    asked = ("search", source, "--data", _TRAIN, "--eval", _EVAL)
    if outcome.winner is None:
        more = ("--budget", "size<=5MB, macro_f1_drop<=0.01")
        if outcome.limits:
            kept = ", ".join(map(outcome.limits.phrase, outcome.limits.values))
            more = ("--budget", kept.replace(" ", "").replace(",", ", "))
        return Verdict(headline=outcome.sentence, command=shell(*asked, *more))
    folder, parent = outcome.folder / "winner", RunFolder(source).artifact()
    against = parent if parent.is_dir() else source
    if outcome.certificate is None:
        return Verdict(
            headline=f"{outcome.winner.name} is the best, and has no certificate: {folder}",
            sentences=(outcome.sentence,),
            path=str(folder),
            command=shell("certify", folder, "--against", against, "--eval", _EVAL),
            python=loading(folder),
        )
    verdict = of_certificate(outcome.certificate, folder, against)
    return verdict.model_copy(update={"sentences": (outcome.sentence, *verdict.sentences)})


def of_ablation(ablation: Ablation, models: Sequence[str], stop_words: bool, out: Path) -> Verdict:
    """What the change does, and the run with the better arm."""
    better = ablation.drop.high < 0  # the second arm's macro-F1 is clearly higher
    model = models[1] if better and len(models) > 1 else models[0]
    removed = ("--remove-stop-words",) if stop_words and better else ()
    asked = ("run", "--data", _TRAIN, "--eval", _EVAL, "--model", model, *removed)
    which = ablation.arms[1] if better else ablation.arms[0]
    folder = RunFolder(out).model(f"{which}-seed-{ablation.seeds[0].seed}")
    return Verdict(
        headline=ablation.sentence,
        sentences=(f"So take {which}.",),
        path=str(folder),
        command=shell(*asked),
        python=opening(folder),
    )


def of_profile(profile: Profile, data: str, evaluation: str | None) -> Verdict:
    """Whether anything in the data has to be mended before a training."""
    mend = [each for each in profile.findings if each.level == "mend"]
    look = sum(each.level == "look" for each in profile.findings)
    headline = "Nothing in the data has to be mended before training."
    if mend:
        headline = f"Mend the data first, in {len(mend)} {'place' if len(mend) == 1 else 'places'}."
    said = [f"{each.found.rstrip('.')}: {each.do}" for each in mend[:2]]
    if look:
        said.append(f"{look} {'finding is' if look == 1 else 'findings are'} worth a look.")
    held = ("--eval", evaluation) if evaluation else ()
    return Verdict(
        headline=headline,
        sentences=tuple(said),
        command=shell("run", "--data", data, *held),
    )


def of_counts(counted: Counted, counts: str) -> Verdict:
    """Whether an artifact's texts still look like those of its certificate."""
    from paretext.serving.counts import end_of

    drift, artifact = counted.drift, Path(counted.artifact)
    certify = ("certify", artifact, "--against", _reference(artifact, counted.reference))
    command: tuple[str | Path, ...] = ("serve", artifact, "--log", counts)
    headline = f"The texts still look like those that {counted.name} was certified on."
    texts = "1 text was" if drift.counted == 1 else f"{drift.counted:,} texts were"
    said = [
        f"{texts} counted from {counted.first} to {end_of(counted.last)}, beside the "
        f"{drift.certified:,} of {counted.data}."
    ]
    if not drift.counted:
        said = ["None has been counted yet."]
    if drift.found == "too few":
        headline = f"Too few texts to tell whether {counted.name} was certified on texts like them."
        said.append(f"It takes about {drift.needed or 0:,} at the least.")
        command = ("explore", counts, "--against", artifact)
        if drift.needed is None:
            said[-1] = "More counts would not tell: it was certified on too few."
            command = (*certify, "--eval", _MORE)
    elif drift.found != "alike":
        headline = f"The texts no longer look like those that {counted.name} was certified on."
        if drift.found == "changed":
            headline = f"The texts have changed a little since {counted.name} was certified."
        said.append("Its certificate speaks of texts like those; these need one of their own.")
        command = (*certify, "--unlabelled", "TRAFFIC.csv")
    moved = [each for each in drift.shifts if each.found in ("changed", "unlike")]
    said[:0] = [f"{_moved(each, drift)}." for each in moved]
    return Verdict(headline=headline, sentences=tuple(said), command=shell(*command))


def _moved(shift: Shift, drift: Drift) -> str:
    """ "Labels (PSI 0.41): joy was the answer to 33.5% of the texts, and is to 61.0%" """
    cell = shift.moved[0]
    words = _MOVED[shift.measure].format(
        cell=cell.name or UNSURE_NAME,
        then=cell.certified / drift.certified,
        now=cell.counted / drift.counted,
    )
    return f"{sentence(shift.measure)} (PSI {shift.psi:.2f}): {words}"


def of_texts(answers: Sequence[Mapping[str, Any]], artifact: Path) -> Verdict:
    """The answer to a text that was given by hand, and how a file is answered."""
    label, probabilities = answers[0]["label"], answers[0]["probabilities"]
    best = max(probabilities, key=lambda each: probabilities[each])
    headline = f"{best}, with probability {probabilities[best]:.3f}."
    if label is None:
        headline = f"Unsure: {best} is the most probable, with {probabilities[best]:.3f} alone."
    if len(answers) > 1:
        headline = f"{len(answers)} texts are answered."
    return Verdict(headline=headline, command=predicting(artifact), python=loading(artifact))


def of_rule(tuned: Tuned, held_out: str | None) -> Verdict:
    """What an artifact answers from now on, and how the rule is certified."""
    folder = tuned.folder
    if tuned.rule is None:
        return Verdict(
            headline=f"Every text is answered from now on: {folder}",
            path=str(folder),
            command=predicting(folder),
            python=loading(folder),
        )
    name, figures = tuned.figures[-1]
    said = (
        f"It answers {first_few(tuned.rule.sentences(), 3)}.",
        f"Of {figures.texts:,} texts of {name} {figures.candidate_unsure.estimate:.1%} are unsure.",
    )
    parent = folder.parent / PARENT
    against = tuned.against or (parent if parent.is_dir() else "REFERENCE")
    asked = ("--against", against, "--eval", held_out or _EVAL)
    return Verdict(
        headline=f"A text may be unsure from now on: {folder}",
        sentences=said,
        path=str(folder),
        command=shell("certify", folder, *asked),
        python=loading(folder),
    )


def of_answers(artifact: Path, target: Path) -> Verdict:
    """Where the answers to a file are, and what gave them."""
    return Verdict(
        headline=f"The answers are in {target}",
        path=str(target),
        command=shell("inspect", artifact),
        python=loading(artifact),
    )


def of_page(artifact: Path, page: Path, written: Mapping[str, Any]) -> Verdict:
    """Where the page is, and how large."""
    return Verdict(
        headline=f"The page is {page}; open it in any browser of today",
        sentences=(
            f"It has {written['bytes'] / 1e6:.1f} MB, and needs no server and no network.",
            "Its first lines, once loaded, say whether that browser answers as the artifact does.",
        ),
        path=str(page),
        command=shell("inspect", artifact),
    )


def of_folder(path: Path, description: Mapping[str, Any]) -> Verdict:
    """What to do with what was inspected."""
    from paretext.certification.certificate import Certificate

    kind = str(description["kind"])
    if kind.startswith("run"):
        if who := description.get("in use by"):
            return Verdict(
                headline=f"The run is at work: {path}",
                sentences=(f"It is in use by {who}.",),
                command=shell("inspect", path),
            )
        return of_run(path)
    if kind.startswith("classifier"):
        nameless = all(
            str(each).startswith("LABEL_") for each in description.get("labels") or ["LABEL_"]
        )
        return Verdict(
            headline=f"A classifier in PyTorch; compress makes it small and fast: {path}",
            path=str(path),
            command=shell(
                "compress", path, "--eval", _EVAL, *(("--labels", "NAMES.txt") if nameless else ())
            ),
            python=opening(path),
        )
    certificate = Certificate.of(path)
    if certificate is not None:
        return of_certificate(certificate, path)
    return Verdict(
        headline=f"{description['name']} is whole, and has no certificate: {path}",
        path=str(path),
        command=predicting(path),
        python=loading(path),
    )
