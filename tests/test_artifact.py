"""The runtime: it verifies what it loads, keeps order and memory, and needs no PyTorch."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from paretext.core.errors import ParetextError
from paretext.models.classifier import Classifier
from paretext.pipeline.inspection import describe
from paretext.runtime import artifact as runtime
from paretext.runtime.artifact import Artifact, group_by_length
from paretext.runtime.manifest import MODEL, Manifest

Versions = dict[str, Path]


@pytest.fixture(scope="module")
def fp32(versions: Versions) -> Artifact:
    return Artifact.load(versions["fp32"], threads=2)


@pytest.fixture
def copied(versions: Versions, tmp_path: Path) -> Path:
    return Path(shutil.copytree(versions["fp32"], tmp_path / "artifact"))


def texts_of_all_lengths(n: int) -> list[str]:
    generator = random.Random(0)
    words = " ".join(toy.dataset(30).texts).split()
    texts = [" ".join(generator.choices(words, k=generator.randint(0, 40))) for _ in range(n)]
    generator.shuffle(texts)
    return texts


# Verification ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [MODEL, "tokenizer.json", "config.json", "README.md"])
def test_one_flipped_bit_is_found_and_its_file_named(copied: Path, name: str) -> None:
    Artifact.load(copied)
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(ParetextError, match=f"{name} differs from the digest"):
        Artifact.load(copied)
    with pytest.raises(ParetextError, match=f"{name} differs from the digest"):
        describe(copied)


@pytest.mark.parametrize("name", [MODEL, "tokenizer.json"])
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(ParetextError, match=f"lacks {Path(name).name}"):
        Artifact.load(copied)
    manifest = json.loads((copied / "manifest.json").read_text())
    del manifest["files"][name]  # nor does a manifest that says nothing of it help
    (copied / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ParetextError, match=f"lists no {name}"):
        Artifact.load(copied)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 3}, "has artifact format 3, and .* reads formats 1 and 2"),
        ({"format_version": None}, "has artifact format None"),
        ({"labels": 3}, "damaged at labels"),
        ({"max_length": "long"}, "damaged at max_length"),
        ({"surprise": 1}, "damaged at surprise"),
        ({"files": {"config.json": {"sha256": "0" * 64}}}, "damaged at files.config.json.bytes"),
    ],
)
def test_a_manifest_that_is_not_ours(copied: Path, change: dict[str, object], message: str) -> None:
    path = copied / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ParetextError, match=message) as caught:
        Artifact.load(copied)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b"[]", b"null", b"{}"])
def test_a_manifest_that_cannot_be_read(copied: Path, content: bytes) -> None:
    (copied / "manifest.json").write_bytes(content)
    with pytest.raises(ParetextError, match=r"cannot be read|artifact format None"):
        Artifact.load(copied)


def test_what_is_no_artifact(tmp_path: Path, versions: Versions) -> None:
    with pytest.raises(ParetextError, match=r"has no manifest\.json"):
        Artifact.load(versions["pytorch"])
    with pytest.raises(ParetextError, match="is not a folder"):
        Artifact.load(tmp_path / "none")
    with pytest.raises(ParetextError, match="threads is 0"):
        Artifact.load(versions["fp32"], threads=0)


def test_the_manifest_is_read_as_it_was_written(copied: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(copied)
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path) == manifest
    assert (tmp_path / "manifest.json").read_bytes() == (copied / "manifest.json").read_bytes()


# Predicting -----------------------------------------------------------------------------------


def test_all_ways_to_ask_agree_with_pytorch_text_by_text(
    fp32: Artifact, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "CHUNK_TEXTS", 16)
    texts = texts_of_all_lengths(75)  # four chunks and a part
    classifier = Classifier.load(versions["pytorch"])
    expected = np.concatenate([classifier.predict_proba([text]) for text in texts])
    assert set(expected.argmax(axis=1)) == {0, 1, 2}
    probabilities = fp32.predict_proba(texts)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(np.stack(list(fp32.stream(texts))), expected, atol=1e-5)
    assert fp32.classes_.tolist() == list(toy.LABELS) == list(classifier.label_names)
    names = fp32.predict(iter(texts))
    assert names.tolist() == [toy.LABELS[i] for i in expected.argmax(axis=1)]
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = fp32.predict_proba([texts[i] for i in order])
    np.testing.assert_allclose(shuffled, probabilities[order], atol=1e-5)


def test_one_thread_answers_as_two(versions: Versions, fp32: Artifact) -> None:
    texts = texts_of_all_lengths(75)
    one = Artifact.load(versions["fp32"], threads=1)
    np.testing.assert_allclose(one.logits(texts), fp32.logits(texts), atol=1e-5)
    np.testing.assert_allclose(one.logits(texts[:1]), fp32.logits(texts[:1]), atol=1e-5)


@pytest.mark.parametrize("ask", ["stream", "predict_proba"])
def test_an_iterable_is_consumed_chunk_by_chunk(
    fp32: Artifact, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    monkeypatch.setattr(runtime, "CHUNK_TEXTS", 8)
    texts, taken, seen = texts_of_all_lengths(50), 0, []

    def source() -> Iterator[str]:
        nonlocal taken
        for text in texts:
            taken += 1
            yield text

    run_texts = Artifact._run_texts

    def run(self: Artifact, chunk: list[str]) -> object:
        seen.append(taken)
        return run_texts(self, chunk)

    monkeypatch.setattr(Artifact, "_run_texts", run)
    if ask == "stream":
        answers = fp32.stream(source())
        assert taken == 0
        next(answers)
        assert taken == 8
        for _ in range(7):
            next(answers)
        assert taken == 8
        assert len(list(answers)) == 42
    else:
        assert len(fp32.predict_proba(source())) == 50
    assert seen == [8, 16, 24, 32, 40, 48, 50]


def test_nothing_in_nothing_out(fp32: Artifact) -> None:
    assert fp32.predict([]).shape == (0,)
    assert fp32.predict_proba(iter(())).shape == (0, 3)
    assert fp32.logits([]).shape == (0, 3)
    assert list(fp32.stream([])) == []


def refuses(fp32: Artifact, texts: Any, match: str) -> None:
    """Every way to ask ends in the same sentence."""
    asked = (fp32.predict, fp32.predict_proba, fp32.logits, fp32.longer)
    for ask in (*asked, lambda asked: list(fp32.stream(asked))):
        with pytest.raises(ParetextError, match=match) as caught:
            ask(texts)
        assert "\n" not in str(caught.value)


def test_what_is_no_list_of_texts(fp32: Artifact) -> None:
    frame = pd.DataFrame({"text": ["happy"], "label": ["joy"]})
    refuses(fp32, "happy", "given one str: put it in")
    refuses(fp32, b"happy", "given one bytes: put it in")
    refuses(fp32, np.str_("happy"), "given one str_: put it in")
    refuses(fp32, 3, "given a int: put the texts in")
    refuses(fp32, None, "given a NoneType")
    refuses(fp32, np.array("happy"), "given a ndarray")
    refuses(fp32, frame, "given a DataFrame with the columns 'text', 'label': give the column of")
    refuses(fp32, frame[["text"]], "with the columns 'text': give the column")
    refuses(fp32, pd.DataFrame(np.zeros((1, 9))), "with the columns '0', '1', '2', '3', '4', ...:")
    refuses(fp32, pa.table({"text": ["happy"]}), "given a Table with the columns 'text'")
    refuses(fp32, datasets.Dataset.from_dict({"text": ["a"]}), "given a Dataset with the columns")
    refuses(fp32, {"text": ["happy"]}, "given a dict with the columns 'text'")
    refuses(fp32, pl.DataFrame({"text": ["happy"]}), "given a DataFrame with the columns 'text'")


class pl:
    """As polars has it, which is not among the dependencies."""

    class DataFrame(list[Any]):
        def __init__(self, values: dict[str, list[str]]) -> None:
            super().__init__(values.values())
            self.columns = list(values)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (None, r"is missing \(None\): leave it out"),
        (float("nan"), r"is missing \(nan\)"),
        (np.float32("nan"), r"is missing \(nan\)"),
        (pd.NA, r"is missing \(<NA>\)"),
        (pd.NaT, r"is missing \(NaT\)"),
        (3, "is of type int"),
        (b"happy", "is of type bytes"),
        (("happy", "sad"), "is of type tuple"),
        (["happy", "sad"], "is of type list"),
        (np.array(["happy", "sad"]), "is of type ndarray"),
        ({"text": "happy"}, "is of type dict"),
        ("happy \ud800", r"has half of a character \('\\ud800' at 6\)"),
    ],
)
def test_what_is_no_text_is_named_by_its_position(
    fp32: Artifact, monkeypatch: pytest.MonkeyPatch, bad: Any, match: str
) -> None:
    refuses(fp32, [bad], r"^texts\[0\] " + match)
    refuses(fp32, ["happy", bad, "sad"], r"^texts\[1\] " + match)
    monkeypatch.setattr(runtime, "CHUNK_TEXTS", 4)
    refuses(fp32, [*["happy"] * 9, bad, "sad"], r"^texts\[9\] " + match)


def test_a_column_of_texts_is_a_list_of_texts(fp32: Artifact) -> None:
    texts = texts_of_all_lengths(20)
    expected = fp32.predict(texts).tolist()
    table = pd.DataFrame({"text": texts})
    for column in (
        tuple(texts),
        iter(texts),
        (text for text in texts),
        np.array(texts),
        np.array(texts, object),
        np.array(texts, np.dtypes.StringDType()),
        table["text"],
        table["text"].astype("string"),
        table["text"].astype(object),
        table["text"].astype("category"),
        table["text"][::-1][::-1],
        datasets.Dataset.from_dict({"text": texts})["text"],
        pa.array(texts).to_pylist(),
    ):
        assert fp32.predict(column).tolist() == expected, type(column)
    assert fp32.predict(np.array(texts[:1])).tolist() == expected[:1]


def test_texts_that_were_cut_are_counted(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = Artifact.load(versions["fp32"])
    classifier = Classifier.load(versions["pytorch"])
    texts = texts_of_all_lengths(60)
    ids = classifier.tokenizer(texts, truncation=False)["input_ids"]
    longest = artifact.manifest.max_length
    expected = sum(len(row) > longest for row in ids)
    assert 0 < expected < 60
    assert any(len(row) == longest for row in ids) or min(map(len, ids)) < longest
    assert artifact.answers(texts).truncated == artifact.longer(texts) == expected
    monkeypatch.setattr("paretext.runtime.artifact.CHUNK_TEXTS", 7)
    assert artifact.longer(texts) == expected
    assert artifact.answers([max(texts, key=len)]).truncated == 1


def test_threads_that_share_an_artifact_get_their_own_answers_and_counts(
    versions: Versions,
) -> None:
    artifact = Artifact.load(versions["fp32"], threads=2)
    before = set(vars(artifact))
    lots = [texts_of_all_lengths(20 + 7 * k)[k:] for k in range(8)]
    alone = [artifact.answers(texts) for texts in lots]
    assert len({each.truncated for each in alone}) > 1
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for answers, own in zip(pool.map(artifact.answers, lots), alone, strict=True):
                assert answers.truncated == own.truncated
                np.testing.assert_allclose(answers.logits, own.logits, atol=1e-5)
    assert {name for name in vars(artifact) if isinstance(vars(artifact)[name], int)} <= before


# Grouping -------------------------------------------------------------------------------------


@given(
    lengths=st.lists(st.integers(1, 128) | st.integers(1, 12), min_size=1, max_size=200),
    tokens=st.sampled_from([1, 20, 192, 1000]),
    workers=st.integers(1, 8),
)
def test_groups_are_even_and_within_the_budget(
    lengths: list[int], tokens: int, workers: int
) -> None:
    groups = group_by_length(lengths, tokens, workers)
    order = np.concatenate(groups).tolist()
    assert sorted(order) == list(range(len(lengths)))
    sizes = [lengths[i] for i in order]
    assert sizes == sorted(lengths, reverse=True)
    padded = [len(group) * max(lengths[i] for i in group) for group in groups]
    assert all(len(group) for group in groups)
    for group, cost in zip(groups, padded, strict=True):
        assert cost <= tokens or len(group) == 1
    several = len(lengths) * max(lengths) > tokens and len(lengths) > 1
    assert (len(groups) > 1) == several
    if several:
        assert len(groups) % workers == 0 or len(groups) == len(lengths)
        assert len(groups) < fewest_groups(sizes, tokens) + workers


def fewest_groups(sizes: list[int], tokens: int) -> int:
    """How many groups the budget alone asks for: each filled, longest text first."""
    groups, texts, longest = 1, 0, sizes[0]
    for size in sizes:
        if texts and (texts + 1) * longest > tokens:
            groups, texts, longest = groups + 1, 0, size
        texts += 1
    return groups


def test_equal_texts_are_shared_out_evenly() -> None:
    assert [len(g) for g in group_by_length([50] * 9, 192, 2)] == [2, 1, 3, 3]
    assert [len(g) for g in group_by_length([10] * 64, 192, 2)] == [16, 16, 16, 16]
    assert [len(g) for g in group_by_length([10] * 19, 192, 1)] == [19]


# What it imports ------------------------------------------------------------------------------

HEAVY = ("torch", "transformers", "pandas", "datasets", "sklearn", "scipy", "matplotlib", "onnx")


def python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_predicting_needs_neither_torch_nor_transformers(versions: Versions) -> None:
    code = """
import sys
from paretext import Artifact
names = Artifact.load(sys.argv[1]).predict(["i feel happy", "i feel sad"])
print(*names, *sorted({name.split(".")[0] for name in sys.modules}))
"""
    said = python(code, str(versions["int8"])).split()
    assert set(said[:2]) <= set(toy.LABELS)
    assert {"numpy", "onnxruntime", "tokenizers", "pydantic"} <= set(said)
    assert not set(HEAVY) & set(said)


def test_importing_paretext_imports_nothing_heavy() -> None:
    said = python("import sys, paretext; print(*{n.split('.')[0] for n in sys.modules})").split()
    assert "paretext" in said
    assert not {*HEAVY, "numpy", "onnxruntime", "tokenizers", "pydantic", "typer"} & set(said)


def test_help_imports_nothing_heavy() -> None:
    code = """
import atexit, sys
from paretext.cli import main
atexit.register(lambda: print("MODULES", *{n.split(".")[0] for n in sys.modules}))
sys.argv = ["paretext", "--help"]
main()
"""
    shown, modules = python(code).split("MODULES")
    assert "predict" in shown
    assert not {*HEAVY, "numpy", "onnxruntime", "tokenizers"} & set(modules.split())
