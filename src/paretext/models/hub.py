"""Where a model's name leads: to a folder or to the Hugging Face hub; and what to say where it
leads to neither.

One quick question settles whether the hub is there. A hub that does not answer is not asked again
for a while, since each question would wait as long. Its library takes half a second to import, so
only what asks the hub, or speaks of it, does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from paretext.core.errors import ParetextError
from paretext.core.files import nearest_path
from paretext.core.settings import model_inside
from paretext.data.columns import nearest, shown

_SECONDS_TO_ANSWER = 10
_SECONDS_OF_SILENCE = 60
_USUAL = (
    *("distilroberta-base", "roberta-base", "roberta-large", "xlm-roberta-base"),
    *("distilbert-base-uncased", "distilbert-base-cased", "bert-base-uncased", "bert-base-cased"),
    *("bert-large-uncased", "bert-base-multilingual-cased", "albert-base-v2"),
    *("google/electra-small-discriminator", "google/electra-base-discriminator"),
    *("microsoft/deberta-v3-small", "microsoft/deberta-v3-base", "microsoft/mpnet-base"),
    *("cardiffnlp/twitter-roberta-base", "answerdotai/ModernBERT-base", "camembert-base"),
    *("sentence-transformers/all-mpnet-base-v2", "sentence-transformers/all-MiniLM-L6-v2"),
)
"""Encoders that a misspelt id may mean, beside those that were downloaded before."""
_ENDS = "check the name, or give a local folder."

_silent_since: dict[str, float] = {}
"""Addresses that did not answer, and when."""


def is_path(name: str) -> bool:
    """Whether a model's name can only mean a folder."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def hub_answers(name: str) -> bool:
    """Whether the hub is there to be asked for the model `name`, whatever it says of it."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    address = constants.ENDPOINT
    if constants.HF_HUB_OFFLINE:
        return False
    if time.monotonic() - _silent_since.get(address, -_SECONDS_OF_SILENCE) < _SECONDS_OF_SILENCE:
        return False
    try:
        HfApi().model_info(name, timeout=_SECONDS_TO_ANSWER)
    except HfHubHTTPError:
        return True  # why there is no such model, loading it will say
    except HFValidationError:
        return False  # no id, and no question either
    except Exception:  # the kind depends on the HTTP library in use
        _silent_since[address] = time.monotonic()
        return False
    return True


def not_a_model(name: str, error: BaseException, reason: str, *, local: bool) -> ParetextError:
    """The sentence for a name that no model could be loaded by.

    error: what the libraries raised, and reason what they said; local: whether only local files
    were looked for.
    """
    folder, causes = Path(name), list(_causes(error))
    if folder.is_dir():
        missing = " (it has no config.json)" if not (folder / "config.json").is_file() else ""
        if missing and (instead := model_inside(folder)):
            return ParetextError(f"{name} is not a model's folder{missing}{instead}")
        said = "" if missing else f": {reason}"
        return ParetextError(
            f"{name} is not a Hugging Face model folder{missing}{said}; give a folder with "
            "config.json, model.safetensors and tokenizer.json, or a hub id."
        )
    if folder.is_file():
        return ParetextError(
            f"{name} is a file, and a model is a folder with config.json, model.safetensors and "
            "tokenizer.json; give that, or a hub id."
        )
    if is_path(name) or ("/" in name and folder.parent.is_dir()):
        near = nearest_path(folder, folders=True) or "; check the path, or give a hub id."
        return ParetextError(f"there is no model folder {name}{near}")
    return ParetextError(_of_hub(name, causes, reason, local=local))


def _of_hub(name: str, causes: list[BaseException], reason: str, *, local: bool) -> str:
    """The sentence for a name that is no path."""
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    said, known = shown(name), (*_USUAL, *_downloaded(), *_beside(Path()))
    near = "" if name in known else nearest(name, known)
    if any(isinstance(each, GatedRepoError) for each in causes):
        return (
            f"the model {said} is gated: ask for access at {constants.ENDPOINT}/{name}, and log "
            "in with: hf auth login."
        )
    if not _is_id(name):
        return f"{said} is neither a local folder nor a hub id{near or f'; {_ENDS}'}"
    if any(isinstance(each, RepositoryNotFoundError) for each in causes):
        return (
            f"there is no model {said}, neither as a local folder nor on the Hugging Face hub "
            f"(a private one takes: hf auth login){near or f'; {_ENDS}'}"
        )
    if local:
        why = (
            "HF_HUB_OFFLINE is set"
            if constants.HF_HUB_OFFLINE
            else f"{constants.ENDPOINT} does not answer"
        )
        return (
            f"the model {said} is neither a local folder nor downloaded before, and the Hugging "
            f"Face hub cannot be asked (offline: {why})"
            f"{near or '; check the name and the network, or give a local folder.'}"
        )
    return (
        f"the model {said} is not a local folder and could not be had from the Hugging Face hub "
        f"({reason}); check the name and the network, or give a local folder."
    )


def _is_id(name: str) -> bool:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _beside(folder: Path) -> list[str]:
    """The names of the folders in a folder."""
    try:
        return [each.name for each in folder.iterdir() if each.is_dir()]
    except OSError:
        return []


def _downloaded() -> list[str]:
    """The ids of the models in the hub's cache."""
    from huggingface_hub import constants

    begin = "models--"
    folders = [each for each in _beside(Path(constants.HF_HUB_CACHE)) if each.startswith(begin)]
    return [each.removeprefix(begin).replace("--", "/") for each in folders]
