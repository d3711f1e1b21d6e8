"""What scikit-learn asks of a fitted classifier, so that an artifact passes for one.

Scorers, `Pipeline`'s last step, `cross_validate` and `permutation_importance` take it as they take
a `FrozenEstimator`: it is fitted, and fitting it again changes nothing. scikit-learn is imported
only where it asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paretext.core.errors import ParetextError


class FittedClassifier:
    """Mixed into a class with `classes_`, `predict` and `predict_proba`."""

    _estimator_type = "classifier"

    def fit(self, X: Iterable[str], y: Any = None, **_: Any) -> Any:
        """Nothing: it is fitted. Here for a Pipeline whose other steps are not."""
        return self

    def score(self, X: Iterable[str], y: Sequence[str], sample_weight: Any = None) -> float:
        """The accuracy: the share of texts X whose predicted label is the one in y."""
        right: NDArray[np.bool_] = self.predict(X) == np.asarray(y)  # type: ignore[attr-defined]
        return float(np.average(right, weights=sample_weight))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Nothing can be set on a fitted artifact."""
        return {}

    def set_params(self, **params: Any) -> Any:
        """ParetextError for any parameter: an artifact has none."""
        if params:
            raise ParetextError(
                f"an artifact has no parameter {next(iter(params))!r}; it is fitted, and "
                "Artifact.load sets its threads."
            )
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> Any:
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=False),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
        )
