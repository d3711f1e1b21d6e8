"""The models to beat: what a transformer has to be worth.

Their names stand where a model's hub id or folder may stand. Each is fitted by settings of its own,
chosen on selection splits, and becomes a classifier like any other: a Hugging Face folder, exported
and measured as an encoder's is. A folder that has such a name is given as ./tfidf.
"""

from __future__ import annotations

from paretext.models.names import NGRAMS, RECURRENT
from paretext.training.baselines.recurrent import Recurrent
from paretext.training.baselines.tfidf import Tfidf

Baseline = Tfidf | Recurrent
BASELINES: dict[str, Baseline] = {
    "tfidf": Tfidf(),
    "bilstm": Recurrent(cell="lstm"),
    "bigru": Recurrent(cell="gru"),
}
MODEL_TYPES = (NGRAMS, RECURRENT)
"""The model types that are no encoders, as their configurations name them."""

__all__ = ["BASELINES", "MODEL_TYPES", "Baseline", "Recurrent", "Tfidf"]
