"""Certificates from less than two models and labelled texts, each with what was asked for."""

from __future__ import annotations

from pathlib import Path

from paretext.certification.answers import label_names_of, read_answers, read_truth
from paretext.certification.certificate import Certificate
from paretext.certification.certify import flips_folder
from paretext.certification.model import labels_of
from paretext.certification.predictions import certify_predictions
from paretext.certification.unlabelled import TO_LABEL, Traffic, certify_unlabelled
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.verdict import shell
from paretext.data.columns import choose_text_column
from paretext.data.dataset import Dataset
from paretext.data.given import open_texts
from paretext.data.reading import Bad, NamedBy, require_rows, rows_with_text
from paretext.measure.likeness import likeness
from paretext.pipeline.options import Certify
from paretext.pipeline.sources import as_path, listed
from paretext.report.label_page import write_label_page

_OF_TRAFFIC = ("unlabelled", "labels_for", "label_page")
_ALIKE = 0.6
"""AUC up to which two sets may be of one source: parts of one reach 0.56 at 100 texts."""


_REPEATED = (
    *("eval", "labels", "text_column", "label_column", "on_bad_row", "budget", "resamples"),
    *("seed", "threads", "out"),
)
"""The options that a next command repeats where they were given."""


def certify_answers(asked: Certify) -> Certificate:
    """Of two tables of answers, with the truth."""
    if asked.artifact is not None:
        raise ParetextError(
            f"certify takes either the artifact {asked.artifact} or --predictions; leave one out."
        )
    if wrong := next((each for each in _OF_TRAFFIC if getattr(asked, each)), None):
        raise ParetextError(
            f"--{wrong.replace('_', '-')} is for an artifact, which answers; leave it out, or give "
            "the artifact in place of --predictions."
        )
    if asked.eval is None:
        raise ParetextError("a certificate takes the truth of the texts: give it with --eval.")
    names, by = asked.names(), asked.named_by()
    if names is None and (names := label_names_of(asked.predictions)):
        by = NamedBy(
            "the predictions' columns of probabilities lack",
            "mend the rows, or give the probability of every label",
        )
    truth = read_truth(asked.eval, names, asked.text_column, asked.label_column, by)
    new = read_answers(asked.predictions, truth, "predictions")
    old = read_answers(asked.against, truth, "against")
    return certify_predictions(
        new,
        old,
        truth,
        asked.limits(),
        at=listed(asked.at) or (),
        resamples=asked.resamples,
        seed=asked.seed,
        texts=asked.texts,
        out=place_of(asked),
    )


def place_of(asked: Certify) -> Path | None:
    """The folder of what is written; None where only arrays are given."""
    if asked.out is not None or not isinstance(asked.predictions, str | Path):
        return as_path(asked.out)
    path = Path(asked.predictions)
    return path.with_name(f"{path.stem}-certificate")


def certify_traffic(asked: Certify) -> Certificate:
    """Of an artifact on texts without labels, of which those that flip may get some."""
    assert asked.artifact is not None
    if asked.at:
        raise ParetextError(
            "an operating point needs the labels of all texts: leave --at out, or certify on "
            "labelled texts with --eval alone."
        )
    if asked.force:
        raise ParetextError(
            "--force tries out texts that were trained on, and certifies nothing; leave it out "
            "with --unlabelled."
        )
    given = asked.names()
    names = labels_of(asked.against, given)
    limits, traffic = asked.limits(), _traffic(asked)
    labelled = asked.evaluation(names, NamedBy.model(asked.against, names))
    unlike = _unlike(labelled, traffic) if labelled is not None else None
    certificate = certify_unlabelled(
        asked.artifact,
        asked.against,
        traffic,
        labelled,
        limits,
        labels=given,
        labels_for=asked.labels_for,
        resamples=asked.resamples,
        seed=asked.seed,
        threads=asked.threads,
        texts=asked.texts,
        out=asked.out,
        unlike=unlike,
    )
    path = to_label_of(asked)
    if asked.label_page and path.is_file() and certificate.unlabelled is not None:
        write_label_page(path, names, certificate.unlabelled.labels_needed, giving_back(asked))
    return certificate


def _unlike(labelled: Dataset, traffic: Traffic) -> float | None:
    """The AUC of a classifier between the two, which is said: recall and macro-F1 take them for
    texts of one source."""
    similarity, _ = likeness(labelled.texts, traffic.texts)
    warned = similarity.auc is not None and similarity.auc > _ALIKE
    progress.say(
        f"{'warning: ' if warned else ''}{traffic.name} beside {labelled.name}: {similarity}"
        + ("; recall and macro-F1 hold only if both come from one source" if warned else "")
    )
    return similarity.auc


def page_of(asked: Certify) -> Path:
    """The page to label on."""
    return to_label_of(asked).with_suffix(".html")


def giving_back(asked: Certify) -> str:
    """The command that takes the labels."""
    words = ["--unlabelled", _written(asked.unlabelled), "--labels-for", str(to_label_of(asked))]
    return certifying(asked, *words)


def certifying(asked: Certify, *words: str) -> str:
    """The command that was asked, on these texts."""
    same = ["certify", str(asked.artifact), "--against", str(asked.against)]
    for name in sorted(asked.model_fields_set & {*_REPEATED}, key=_REPEATED.index):
        value = getattr(asked, name)
        several = name == "budget" and isinstance(value, list | tuple)
        for each in value if several else [value]:
            same += [f"--{name.replace('_', '-')}", _written(each)]
    return shell(*same, *([] if asked.texts else ["--no-texts"]), *words)


def _written(value: object) -> str:
    """A value of a Python call as a command line can have it: of a table, that it was one."""
    if isinstance(value, str | Path | int):
        return str(value)
    names = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
    return ",".join(value) if names else "FILE"  # type: ignore[arg-type]


def to_label_of(asked: Certify) -> Path:
    """The file of flips to be labelled."""
    if asked.labels_for is not None:
        return Path(asked.labels_for)
    artifact = Path(asked.artifact or "")
    return (as_path(asked.out) or flips_folder(artifact)) / TO_LABEL.format(artifact.resolve().name)


def _traffic(asked: Certify) -> Traffic:
    source = open_texts(asked.unlabelled, asked.on_bad_row)
    column, bad = choose_text_column(source, asked.text_column), Bad()
    rows = [(n, str(row[column])) for n, row in rows_with_text(source, column, bad)]
    require_rows(source, len(rows), bad, asked.on_bad_row)
    return Traffic(source.name, tuple(text for _, text in rows), tuple(n for n, _ in rows))
