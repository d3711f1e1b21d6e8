"""The tokenizer of a model, and how many tokens it makes of each text.

A folder with a `tokenizer.json` (artifacts and most classifiers have one) is read by `tokenizers`
alone; anything else goes through transformers' AutoTokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from paretext.core.errors import ParetextError, first_line
from paretext.profile.lengths import LengthCounts
from paretext.profile.schema import ProfileSettings, Tokens

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def load_tokenizer(model: str) -> Tokenizer:
    """The tokenizer of a folder or hub id, with neither truncation nor padding.

    Raises ParetextError if there is none, or it has no fast version.
    """
    from tokenizers import Tokenizer

    file = Path(model) / "tokenizer.json"
    try:
        if file.is_file():
            tokenizer = Tokenizer.from_file(str(file))
        else:
            from paretext.models.pretrained import Source

            tokenizer = Source.open(model).tokenizer().backend_tokenizer
    except ParetextError:
        raise
    except Exception as problem:  # OSError, ValueError and the libraries' own kinds
        raise ParetextError(
            f"no tokenizer can be loaded from '{model}' ({first_line(problem)}): give a folder "
            "with a tokenizer.json or the id of a model on the hub."
        ) from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class TokenCounts:
    def __init__(self, settings: ProfileSettings, n_classes: int) -> None:
        self.model = str(settings.model)
        self.max_length = settings.max_length
        self.tokenizer = load_tokenizer(self.model)
        self.lengths = LengthCounts(n_classes)
        name = getattr(self.tokenizer.model, "unk_token", None)
        self.unknown_id = self.tokenizer.token_to_id(name) if isinstance(name, str) else None
        self.unknown = 0

    def add(self, texts: Sequence[str], labels: NDArray[np.int64]) -> None:
        encoded = self.tokenizer.encode_batch_fast(list(texts))
        self.lengths.add([len(each) for each in encoded], labels)
        if self.unknown_id is not None:
            self.unknown += sum(each.ids.count(self.unknown_id) for each in encoded)

    def result(self, label_names: tuple[str, ...], batch_size: int) -> Tokens:
        truncated = self.lengths.longer(self.max_length)
        texts = sum(sum(own.values()) for own in self.lengths.by_class)
        return Tokens(
            model=self.model,
            max_length=self.max_length,
            lengths=self.lengths.lengths("tokens", label_names, batch_size, self.max_length),
            truncated=truncated,
            truncated_share=truncated / texts,
            unknown=self.unknown,
        )
