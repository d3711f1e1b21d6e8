"""Certificate: the verdict on an artifact against a named reference, clause by clause.

It lies in the artifact as certificate.json. Its own digest shows a change to it; the artifact's
manifest lists it like every other file, so that loading notices too; and it names the artifact by
`Manifest.identity`, which does not cover certificate and card, so neither chases the other's tail.
Digests show damage and carelessness. They do not stop a forger, who can compute them anew: for that
measure again (`paretext verify --rerun`), or sign the folder with your own tools.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ValidationError

from paretext.certification.budget import Budget
from paretext.certification.looks import Looks
from paretext.certification.records import (
    Clause,
    Flips,
    OperatingPoint,
    Reported,
    Ruled,
    Unlabelled,
)
from paretext.certification.ways import Ways
from paretext.core.errors import ParetextError
from paretext.core.files import digest_of, json_text
from paretext.core.records import Record, Verdict
from paretext.data.dataset import Dataset
from paretext.data.sketch import Overlap
from paretext.measure.standing import Standing
from paretext.runtime.card import model_card
from paretext.runtime.distribution import Distribution
from paretext.runtime.manifest import CARD, CERTIFICATE, Manifest
from paretext.runtime.rewriting import rewrite

FORMATS = (1, 2)
"""That are read; the last is written."""


class Model(Record):
    """One of the two models."""

    name: str
    kind: Literal["artifact", "pytorch", "predictions"]
    digest: str
    """An artifact's `Manifest.identity`; the digest of all files of a classifier's folder; of
    predictions that of their file."""


class Data(Record):
    """The held-out texts."""

    name: str
    texts: int
    counts: dict[str, int]
    """Texts of each label."""
    fingerprint: str
    added: ClassVar[tuple[str, ...]] = ("answered_by", "distribution")
    answered_by: str | None = None
    """The model whose answers stood in for labels: then only what changes is judged."""
    distribution: Distribution | None = None
    """Of the texts and of the candidate's answers, by its own names and its own rule, to see later
    whether others are still like them; None of predictions, and in older certificates."""

    @classmethod
    def of(cls, data: Dataset, distribution: Distribution | None = None) -> Data:
        return cls(
            name=Path(data.name).name,
            texts=len(data),
            counts=dict(zip(data.label_names, data.counts().tolist(), strict=True)),
            fingerprint=data.fingerprint,
            answered_by=data.answered_by,
            distribution=distribution,
        )


def _recorded(values: Any) -> Any:
    return Budget.recorded(values) if isinstance(values, dict) else values


class Certificate(Record):
    """The claim, everything that it depends on, and its own digest."""

    format_version: Literal[1, 2] = 2
    verdict: Verdict
    """broken if a clause is, else undecided if one is, else holds."""
    candidate: Model
    reference: Model
    data: Data
    budget: Annotated[Budget, BeforeValidator(_recorded)]
    clauses: tuple[Clause, ...]
    reported: tuple[Reported, ...] = ()
    """What was measured and is not limited."""
    operating_points: tuple[OperatingPoint, ...]
    flips: Flips
    alike: bool
    """Whether the two gave the same probabilities for every text, to float32 rounding."""
    resamples: int
    seed: int
    at: tuple[str, ...]
    machine: dict[str, Any]
    version: str
    """Of paretext."""
    added: ClassVar[tuple[str, ...]] = ("standing", "ruled", "ways", "unlabelled")
    standing: Standing | None = None
    """What the reference is worth by itself: the verdict says nothing of it."""
    ruled: Ruled | None = None
    """The rule that both were asked by, and how many texts are unsure; None without one."""
    ways: Ways | None = None
    """How the candidate answers lone texts and texts in bulk; older ones did not ask."""
    unlabelled: Unlabelled | None = None
    """Where the texts have no labels, but some flipped ones: then `data` counts the reference's
    answers, and `flips` of lost and won those that labels show."""
    sentence: str = ""
    """What came out, as `wording.claim` says it; format 1 had none."""
    looks: Looks | None = None
    """What else was certified on these texts; None in format 1, and where it was not written."""
    digest: str = ""
    """SHA-256 of all of the above in canonical JSON."""

    def __repr__(self) -> str:
        """One line; the fields are those of the record."""
        names = f"{self.candidate.name} against {self.reference.name}"
        return f"Certificate({self.verdict}: {names} on {self.data.texts:,} texts)"

    def __str__(self) -> str:
        """What came out in a sentence, and a line for each clause."""
        from paretext.certification.wording import clause_rows, headline

        rows = ["  ".join(filter(None, row)) for row in clause_rows(self)]
        return "\n".join([headline(self), *rows])

    def sealed(self) -> Certificate:
        """The same with its digest."""
        return self.model_copy(update={"digest": self._digest()})

    def _digest(self) -> str:
        return digest_of(self.model_dump(mode="json", exclude={"digest"}))

    @property
    def seen(self) -> Overlap | None:
        """How many of the texts one of the two models was trained on; None where none is known."""
        return self.standing.seen if self.standing else None

    @property
    def is_held_out(self) -> bool:
        """Whether its texts are such that neither model was trained on: False if it was forced."""
        return self.seen is None or not self.seen.mostly

    @property
    def may_be_chosen(self) -> bool:
        """Whether it holds, and no version before it in a fixed sequence failed to."""
        return self.gate == "holds"

    @property
    def gate(self) -> Verdict:
        """The verdict as a gate has it: undecided where all holds and a version before it in a
        fixed sequence failed to."""
        stopped = self.looks is not None and self.looks.stopped_at is not None
        return "undecided" if stopped and self.verdict == "holds" else self.verdict

    def clause(self, name: str) -> Clause:
        return next(clause for clause in self.clauses if clause.name == name)

    @classmethod
    def of(cls, artifact: str | Path) -> Certificate | None:
        """The certificate in an artifact's folder, None if there is none.

        Raises ParetextError if it was changed, or is about another artifact.
        """
        folder = Path(artifact)
        path = folder / CERTIFICATE
        if not os.path.lexists(path):
            return None
        manifest = Manifest.read(folder)
        manifest.verify_certificate(folder)
        certificate = cls.read(path)
        if certificate.candidate.digest != manifest.identity:
            raise ParetextError(
                f"{path} is about another artifact ({certificate.candidate.name}, "
                f"{certificate.candidate.digest[:12]}); certify this one with: paretext certify."
            )
        return certificate

    @classmethod
    def read(cls, path: Path) -> Certificate:
        """A certificate from its file; ParetextError if it is damaged or was changed."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            format_version = values.get("format_version") if isinstance(values, dict) else None
            if isinstance(format_version, int) and format_version not in FORMATS:
                raise ParetextError(
                    f"{path} has certificate format {format_version}, and this version of paretext "
                    f"reads formats {FORMATS[0]} to {FORMATS[-1]}; use a newer one, or certify "
                    "again."
                )
            certificate = cls.model_validate(values)
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))
            raise ParetextError(
                f"{path} is damaged at {where or 'its beginning'}; certify again."
            ) from None
        except ParetextError:
            raise
        except (OSError, ValueError, RecursionError) as error:
            reason = " ".join(str(error).split())
            raise ParetextError(f"{path} cannot be read ({reason}); certify again.") from None
        if certificate.digest != digest_of({k: v for k, v in values.items() if k != "digest"}):
            raise ParetextError(
                f"{path} differs from its own digest: it was changed; certify again."
            )
        return certificate


def attach(certificate: Certificate, folder: Path) -> None:
    """Put a certificate into the artifact that it is about, and show it on the artifact's card."""
    from paretext.certification.wording import section

    manifest = Manifest.read(folder)
    card = model_card(manifest) + "\n" + section(certificate)
    values = certificate.model_dump(mode="json")
    rewrite(folder, manifest, {CARD: card, CERTIFICATE: json_text(values)})
