"""When an answer stands: an artifact's operating point, applied to what its graph says.

The answer is always the most probable label. A rule says when it is given: only where its
probability reaches its label's own threshold, where it reaches one for all, or where it leads the
second by a margin (the reject option: Chow 1970, "On optimum recognition error and reject
tradeoff"). Else the text is **unsure**, and its answer is UNSURE, which is no label's name.

A rule changes no graph: it stands in the manifest, so that it can be changed without a new export.
Answers depend on it, so it is part of the artifact's identity, and a certificate of the artifact
without it (or with another) is one of other answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

UNSURE = ""
"""In the place of a label: None in JSON, an empty cell in a table."""
NO_ANSWER = -1
"""In the place of a class id."""

Share = Annotated[float, Field(ge=0, le=1)]
Probabilities = NDArray[np.float32] | NDArray[np.float64]


class Rule(BaseModel):
    """All that are given have to be met."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    thresholds: dict[str, Share] = {}
    """Label -> the least probability with which it is answered."""
    least_probability: Share | None = None
    """Of whichever label is the most probable."""
    least_margin: Share | None = None
    """Between the most probable label and the second."""
    aims: tuple[str, ...] = ()
    """What it was tuned to, such as "joy: precision>=95%"."""
    texts: Annotated[int, Field(ge=0, lt=2**53)] = 0
    """On how many texts."""
    fingerprint: str = ""
    """Of these texts and their labels."""

    def unsure(self, probabilities: Probabilities, labels: Sequence[str]) -> NDArray[np.bool_]:
        """Which of the texts have no answer that stands, (n,).

        probabilities: (n, K), in the order of `labels`.
        """
        top = probabilities.max(axis=1).astype(np.float64)  # as exact as the thresholds
        least = np.array([self.least(label) for label in labels])
        unsure: NDArray[np.bool_] = top < least[probabilities.argmax(axis=1)]
        if self.least_margin is not None:
            unsure |= margins(probabilities) < self.least_margin
        return unsure

    def least(self, label: str) -> float:
        """The least probability with which a label is answered."""
        return max(self.thresholds.get(label, 0.0), self.least_probability or 0.0)

    def renamed(self, own: Sequence[str], names: Sequence[str]) -> Rule:
        """The same for an artifact whose labels `own` are called `names`."""
        called = dict(zip(own, names, strict=True))
        thresholds = {called[label]: least for label, least in self.thresholds.items()}
        return self.model_copy(update={"thresholds": thresholds})

    def sentences(self) -> list[str]:
        """When an answer stands, each the end of "it answers ..."."""
        for_all = self.least_probability or 0.0
        own = {label: least for label, least in self.thresholds.items() if least > for_all}
        said = [
            f"{label} where its probability is {least:.4f} or more" for label, least in own.items()
        ]
        if self.least_probability is not None:
            any_ = "any other label" if own else "any label"
            said.append(f"{any_} where its probability is {for_all:.4f} or more")
        if self.least_margin is not None:
            said.append(f"only where a label leads the second by {self.least_margin:.4f} or more")
        return said or ["always"]

    @property
    def origin(self) -> str:
        """What it was tuned to, and on how many texts; empty where it was not."""
        return f"tuned on {self.texts:,} texts to {'; '.join(self.aims)}" if self.aims else ""


def answers(
    probabilities: Probabilities, labels: Sequence[str], rule: Rule | None
) -> NDArray[np.int64]:
    """The answers that (n, K) probabilities lead to: (n,) class ids, NO_ANSWER where the rule says
    that a text is unsure."""
    ids: NDArray[np.int64] = probabilities.argmax(axis=1).astype(np.int64)
    if rule is not None:
        ids[rule.unsure(probabilities, labels)] = NO_ANSWER
    return ids


def margins(probabilities: Probabilities) -> NDArray[np.float64]:
    """By how much the most probable label of each text leads the second, (n,)."""
    two = np.partition(probabilities, -2, axis=1)[:, -2:].astype(np.float64)
    leads: NDArray[np.float64] = two[:, 1] - two[:, 0]
    return leads
