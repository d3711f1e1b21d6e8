"""A name that leads to no model: one sentence that says what it is, and what was meant."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
import pytest
import toy
from huggingface_hub import errors
from transformers import AutoConfig

from paretext.core.errors import ParetextError
from paretext.models import hub
from paretext.models.classifier import Classifier
from paretext.models.pretrained import Source, look
from paretext.pipeline.parents import open_model


def sentence(name: str | Path) -> str:
    with pytest.raises(ParetextError) as refused:
        open_model(str(name))
    return str(refused.value)


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_silent_since", {})
    return monkeypatch


def test_a_path_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "feelings").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    near = "; did you mean '{}'?"
    assert sentence("models/felings") == (
        "there is no model folder models/felings" + near.format("models/feelings")
    )
    assert sentence("./modles/feelings").endswith(near.format("models/feelings"))
    path = tmp_path / "models" / "felings"
    assert sentence(path).endswith(near.format(tmp_path / "models" / "feelings"))
    assert sentence("./zzz") == "there is no model folder ./zzz; check the path, or give a hub id."
    (tmp_path / "model.bin").write_bytes(b"")
    assert "model.bin is a file" in sentence("model.bin")


def test_offline_is_said_with_the_nearest_id(monkeypatch: pytest.MonkeyPatch) -> None:
    message = sentence("roberta-bse")
    assert "(offline: HF_HUB_OFFLINE is set); did you mean 'roberta-base'?" in message
    for right in ("zzz/qqq", "roberta-base"):  # nothing is near, or the name is right
        assert "check the name and the network" in sentence(right)


def test_an_id_that_was_downloaded_before_is_near(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "models--acme--feelings").mkdir()
    assert sentence("acme/felings").endswith("did you mean 'acme/feelings'?")


def test_a_hub_that_hangs_is_asked_once(online: pytest.MonkeyPatch) -> None:
    asked = []

    def hangs(self: object, name: str, timeout: float) -> None:
        asked.append(timeout)
        raise httpx2.ReadTimeout("timed out")

    online.setattr(huggingface_hub.HfApi, "model_info", hangs)
    for _ in range(3):
        message = sentence("acme/feelings")
        assert f"(offline: {huggingface_hub.constants.ENDPOINT} does not answer)" in message
    assert asked == [10]


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (errors.RepositoryNotFoundError, ("there is no model", "did you mean 'roberta-base'?")),
        (errors.GatedRepoError, ("is gated", "ask for access at", "hf auth login")),
    ],
)
def test_what_the_hub_says(
    kind: type[errors.HfHubHTTPError], parts: tuple[str, ...], online: pytest.MonkeyPatch
) -> None:
    def refuses(*args: object, **settings: object) -> Any:
        request = httpx2.Request("GET", "https://huggingface.co/roberta-bse")
        said = kind("no", response=httpx2.Response(404, request=request))
        try:
            raise said
        except kind as error:
            raise OSError("a long story\nover two lines") from error

    online.setattr(hub, "hub_answers", lambda name: True)
    online.setattr("paretext.models.pretrained.hub_answers", lambda name: True)
    online.setattr("transformers.PretrainedConfig.get_config_dict", refuses)
    message = sentence("roberta-bse")
    for part in parts:
        assert part in message


def test_what_is_no_id(online: pytest.MonkeyPatch) -> None:
    asked = sentence("bad name!")
    assert asked == (
        "'bad name!' is neither a local folder nor a hub id; check the name, or give a local "
        "folder."
    )


@pytest.mark.parametrize(
    ("model_type", "architecture", "parts"),
    [
        ("gpt2", "GPT2LMHeadModel", ("generates text", "give a classifier, or train one")),
        (
            "mpnet",
            "MPNetModel",
            ("an encoder or embedding model", "run --data TABLE --model"),
        ),
    ],
)
def test_a_model_for_something_else(
    model_type: str, architecture: str, parts: tuple[str, ...], tmp_path: Path
) -> None:
    AutoConfig.for_model(model_type, architectures=[architecture]).save_pretrained(tmp_path)
    message = sentence(tmp_path)
    assert architecture in message or model_type in message
    for part in parts:
        assert part in message


def test_a_model_without_a_text_classifier(tmp_path: Path) -> None:
    AutoConfig.for_model("whisper").save_pretrained(tmp_path)
    with pytest.raises(ParetextError, match=r"of the type whisper.*give an encoder"):
        Source.open(str(tmp_path)).require_classifier()
    with pytest.raises(ParetextError, match="of the type whisper"):
        Source.open(str(tmp_path)).weights(None)


@pytest.mark.parametrize("model_type", ["bart", "t5"])
def test_an_encoder_with_a_decoder_is_refused_by_its_config(
    model_type: str, tmp_path: Path
) -> None:
    AutoConfig.for_model(model_type).save_pretrained(tmp_path)
    for source in (look(str(tmp_path)), Source.open(str(tmp_path))):
        assert source is not None
        with pytest.raises(ParetextError, match=r"is an encoder-decoder model .*; give an enc"):
            source.require_classifier()
    with pytest.raises(ParetextError, match="encoder-decoder"):
        Classifier.from_pretrained(str(tmp_path), ("a", "b"))


def test_a_candidates_folder_names_the_model_in_it(
    versions: dict[str, Path], tmp_path: Path, command: Any
) -> None:
    folder = tmp_path / "candidates" / "roberta"
    shutil.copytree(versions["pytorch"], folder / "model")
    (folder / "history.json").write_text(json.dumps([]), encoding="utf-8")
    table = toy.write(tmp_path / "held.csv", toy.texts_and_labels(40))
    for arguments in (
        ("compress", folder, "--eval", table),
        ("search", folder, "--data", table),
        ("certify", versions["int8"], "--against", folder, "--eval", table),
        ("inspect", folder),
    ):
        ended = command(*arguments)
        assert ended.status == 2
        assert f"give the model in it, {folder / 'model'}." in ended.err


def test_a_misspelt_baseline(tmp_path: Path, command: Any) -> None:
    table = toy.write(tmp_path / "data.csv", toy.texts_and_labels(60))
    ended = command("train", "--data", table, "--model", "tf-idf", "--out", tmp_path / "out")
    assert ended.status == 2
    assert "there is no model 'tf-idf'; did you mean the baseline 'tfidf'?" in ended.err
