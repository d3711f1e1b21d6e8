"""Certificates from less than two models and labelled texts, each with what was asked for."""

from __future__ import annotations

from pathlib import Path

from paretext.certification.answers import label_names_of, read_answers, read_truth
from paretext.certification.certificate import Certificate
from paretext.certification.predictions import certify_predictions
from paretext.core.errors import ParetextError
from paretext.data.reading import NamedBy
from paretext.pipeline.options import Certify
from paretext.pipeline.sources import as_path, listed


def certify_answers(asked: Certify) -> Certificate:
    """Of two tables of answers, with the truth."""
    if asked.artifact is not None:
        raise ParetextError(
            f"certify takes either the artifact {asked.artifact} or --predictions; leave one out."
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
