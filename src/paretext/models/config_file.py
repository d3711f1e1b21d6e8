"""A config.json, looked through before a network is built of it: its values and its label names."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from paretext.core.errors import ParetextError

_LARGEST, _MOST_LAYERS = 2**31 - 1, 1000
"""Numbers above these stand in damaged configs: a network of a billion layers is never built."""


class _Read(BaseModel):
    """The values of config.json that are read here; transformers checks those of a network."""

    model_config = ConfigDict(strict=True, extra="allow")

    model_type: str | None = None
    architectures: list[str] | None = None
    problem_type: str | None = None
    pad_token_id: int | None = None
    num_labels: int | None = None


def checked_labels(name: str, values: dict[str, Any]) -> tuple[str, ...] | None:
    """What a config.json calls the outputs; ParetextError for what it cannot say."""
    _check_values(name, values)
    labels = _labels(name, values)
    if values.get("quantization_config") is not None:
        raise ParetextError(
            f"{name} is quantised already (its config has a quantization_config), and "
            "compression begins with float weights; give the model it was made from."
        )
    return labels


def _check_values(name: str, values: dict[str, Any]) -> None:
    """ParetextError for values of config.json that no model has, before one is built of them."""
    try:
        _Read.model_validate(values)
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        raise ParetextError(
            f"the config.json of {name} has {key} = {_short(values[key])}, which is no value for "
            "it; get the model again."
        ) from None
    for key, value in values.items():
        large = _MOST_LAYERS if "layers" in key or key == "n_layer" else _LARGEST
        if isinstance(value, int) and abs(value) > large:
            raise ParetextError(
                f"the config.json of {name} has {key} = {_short(value)}, and at most {large:,} "
                "can be true; get the model again."
            )


def _labels(name: str, values: dict[str, Any]) -> tuple[str, ...] | None:
    """The names of the outputs 0, 1, ... by config.json, whose keys are strings; None without.

    transformers would fill gaps and drop what does not fit; here it is refused.
    """
    given, count = values.get("id2label"), values.get("num_labels")
    if given is None:
        return None
    if not isinstance(given, dict):
        raise _bad_labels(name, f"id2label is a {type(given).__name__}")
    wanted = [str(index) for index in range(len(given))]
    if sorted(given) != sorted(wanted):
        shown = ", ".join(sorted(map(str, given))[:10])
        raise _bad_labels(name, f"id2label has the keys {shown} in place of 0 to {len(given) - 1}")
    labels = tuple(given[key] for key in wanted)
    blank = [key for key, label in zip(wanted, labels, strict=True) if not str(label).strip()]
    if blank:
        raise _bad_labels(name, f"label {blank[0]} has no name")
    labels = tuple(map(str, labels))
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise _bad_labels(name, f"the label name {_short(twice[0])} stands twice")
    if count is not None and count != len(labels):
        raise _bad_labels(name, f"num_labels is {count}, and id2label has {len(labels)} names")
    back = values.get("label2id")
    named = {label: index for index, label in enumerate(labels)}
    if isinstance(back, dict) and set(back) == set(named) and back != named:
        wrong = next(label for label in labels if back[label] != named[label])
        told = f"id2label says that {named[wrong]} is {_short(wrong)}"
        raise _bad_labels(name, f"{told}, and label2id says {_short(back[wrong])}")
    return labels


def _bad_labels(name: str, problem: str) -> ParetextError:
    return ParetextError(
        f"the config.json of {name} contradicts itself, {problem}; name each output once in "
        "id2label, 0 first."
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
