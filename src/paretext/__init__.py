"""paretext: transformer text classifiers, small and fast on CPUs, and proof that they still work.

The public names load on first use, so that `import paretext` needs neither torch nor transformers.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from paretext.core.version import __version__ as __version__

# ONNX Runtime from 1.29 on reports to its maker which graphs are loaded and run, by threads that it
# starts when it is imported; a process that forks then hangs or aborts as its child ends. The texts
# and models of a classifier are nobody's business: off, unless the user says otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from paretext.certification.budget import Budget
    from paretext.core.errors import ParetextError
    from paretext.data.dataset import Dataset
    from paretext.graphs import export
    from paretext.measure.cost import benchmark
    from paretext.measure.evaluation import evaluate
    from paretext.models.classifier import Classifier
    from paretext.pipeline.finished import Finished
    from paretext.pipeline.python import certify, compare, compress, run, search, threshold
    from paretext.runtime.artifact import Artifact
    from paretext.training.fit import fit

_HOMES = {
    "Artifact": "paretext.runtime.artifact",
    "Budget": "paretext.certification.budget",
    "Classifier": "paretext.models.classifier",
    "Dataset": "paretext.data.dataset",
    "Finished": "paretext.pipeline.finished",
    "ParetextError": "paretext.core.errors",
    "benchmark": "paretext.measure.cost",
    "certify": "paretext.pipeline.python",
    "compare": "paretext.pipeline.python",
    "compress": "paretext.pipeline.python",
    "evaluate": "paretext.measure.evaluation",
    "export": "paretext.graphs",
    "fit": "paretext.training.fit",
    "run": "paretext.pipeline.python",
    "search": "paretext.pipeline.python",
    "threshold": "paretext.pipeline.python",
}

__all__ = [
    "Artifact",
    "Budget",
    "Classifier",
    "Dataset",
    "Finished",
    "ParetextError",
    "benchmark",
    "certify",
    "compare",
    "compress",
    "evaluate",
    "export",
    "fit",
    "run",
    "search",
    "threshold",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'paretext' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
