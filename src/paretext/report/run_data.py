"""What a run's page shows, as it is stored beside it: `report.json`, format version 1.

Shares are between 0 and 1, sizes in bytes, times in milliseconds. What could not be read stands in
`missing`, a sentence each, and is empty or None where it belongs. An interval that the texts leave
undefined (the recall of a class without texts) is None too.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from paretext.certification.certificate import Certificate
from paretext.core.records import Interval
from paretext.core.records import Verdict as CertificateVerdict
from paretext.core.verdict import Verdict
from paretext.data.checks import DataReport
from paretext.measure.rounds import Ratio
from paretext.measure.standing import Standing
from paretext.profile.schema import Finding
from paretext.runtime.manifest import ENCODER, Agreement, Ancestor


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Missing(_Part):
    """A part of the run that is not there, or not as it should be."""

    part: str
    said: str
    """One sentence: what is missing, and the command that makes it."""


class ClassMeasured(_Part):
    """One class, as one version answers it; drops are from the version's parent."""

    label: str
    texts: int
    f1: Interval | None
    recall: Interval | None
    f1_drop: Interval | None
    recall_drop: Interval | None


class VersionRow(_Part):
    """A row of the comparison."""

    version: str
    parent: str | None
    """The version that its drops are taken from."""
    architecture: str | None
    derived: bool
    """Whether it is the parent or was made from it; False for other candidates."""
    verdict: CertificateVerdict | None
    """Of the certificate that lies in the artifact now."""
    macro_f1: Interval | None
    balanced_accuracy: Interval | None
    kappa: Interval | None
    accuracy: Interval | None
    macro_f1_drop: Interval | None
    flips: Interval | None
    bytes: int
    peak_memory_bytes: int
    batch1_ms_p50: float
    batch1_ms_p95: float
    batch32_ms_per_text: float
    bulk_texts_per_second: float
    unsteady: str = ""
    """Why these times are no figures to quote, as the end of a sentence; empty where they are."""
    first_answer_ms: float
    """From the start of loading, libraries included."""
    start_unsteady: str = ""
    """The same as `unsteady`, of the time to the first answer."""
    faster_batch1: Ratio | None
    """Times faster than the first version, with the range of its rounds; None where nothing can be
    said. The next likewise."""
    faster_batch32: Ratio | None
    smaller: float
    classes: tuple[ClassMeasured, ...]
    confusion: tuple[tuple[int, ...], ...]
    """(K, K) counts, rows = truth, columns = prediction."""
    steps: tuple[tuple[str, ...], ...]
    """What each step to it bought, under `report.attribution.COLUMNS`."""

    @property
    def is_encoder(self) -> bool:
        """Whether it is a fine-tuned transformer; a model to beat and a small student are not."""
        return self.architecture is None or self.architecture.endswith(ENCODER)


class Measurement(_Part):
    """What all rows of the comparison share."""

    data: dict[str, Any]
    machine: dict[str, Any]
    labels: tuple[str, ...]
    order: str = ""
    """Of the versions, the end of a sentence; empty in a page of an older version."""
    said: tuple[str, ...]
    """What each version bought and cost, in sentences."""
    notes: tuple[str, ...] = ()
    """What to know of the figures: labels without texts, times that were disturbed."""
    standing: Standing | None = None
    """What the parent is worth by itself."""


class Candidate(_Part):
    """A trained model, and its score after each epoch where it was trained in epochs."""

    name: str
    is_parent: bool
    selection_macro_f1: float | None
    history: tuple[dict[str, float | None], ...]


class Certified(_Part):
    version: str
    certificate: Certificate


class FlippedText(_Part):
    row: int
    text: str | None
    """None where the list holds row numbers only."""
    label: str
    reference_answer: str
    candidate_answer: str
    effect: str
    reference_probability: float
    candidate_probability: float


class Flipped(_Part):
    """The texts that a version answers otherwise than its reference, most confident first."""

    version: str
    reference: str
    texts: int
    flipped: int
    lost: int
    won: int
    file: str
    """Of all of them, below the run's folder."""
    shown: tuple[FlippedText, ...]


class Origin(_Part):
    """Where an artifact comes from, and what was done to it."""

    version: str
    architecture: str
    max_length: int
    ancestors: tuple[Ancestor, ...]
    recipe: tuple[dict[str, Any], ...]
    done: tuple[str, ...]
    weights: int
    zeros: int
    agreement: Agreement
    identity: str
    versions: dict[str, str]


class ProfileShown(_Part):
    """The profile's findings; the whole lies in the run's folder `profile/`."""

    counts: dict[str, int]
    """Findings at each level."""
    findings: tuple[Finding, ...]
    """Those to mend or to look at."""


class Conclusion(Verdict):
    """What to make of it: a run's verdict, whose path begins in the run's folder."""

    details: tuple[str, ...] = ()
    """What a page has room for beside the sentences."""
    version: str | None = None
    """The version to deploy, None where nothing was measured, or nothing is worth it."""
    verdict: CertificateVerdict | Literal["parent", "baseline", "uncertified", "nothing"] | None = (
        None
    )


class RunReport(_Part):
    """Everything that a run's page shows."""

    format_version: Literal[1] = 1
    made_by: str
    """The version of paretext."""
    name: str
    conclusion: Conclusion
    missing: tuple[Missing, ...]
    measurement: Measurement | None
    versions: tuple[VersionRow, ...]
    certificates: tuple[Certified, ...]
    flipped: tuple[Flipped, ...]
    candidates: tuple[Candidate, ...]
    origins: tuple[Origin, ...]
    checks: DataReport | None
    profile: ProfileShown | None
    settings: dict[str, Any] | None
    """The recipe, as run.json has it."""
