"""The profile of texts that nobody would call normal: an answer or one sentence, never a fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import odd_data
import pytest
import toy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_data import labelled

from paretext.compression import Recipe
from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset
from paretext.data.values import text_problem
from paretext.data.words import words_of
from paretext.pipeline.profiled import profiled
from paretext.profile import Profile, ProfileSettings, build, profile
from paretext.report import profile_page
from paretext.report.profile_page import render

pytest.importorskip("sklearn")

CASES = Path(__file__).parents[2] / "shared" / "cases"


def made(rows: list[tuple[str, str]]) -> Dataset:
    names = tuple(sorted({label for _, label in rows}))
    labels = np.array([names.index(label) for _, label in rows])
    return Dataset(tuple(text for text, _ in rows), labels, names, "made")


@pytest.mark.slow
@pytest.mark.parametrize("name", odd_data.SETS)
def test_a_profile_is_made_of_any_texts(name: str) -> None:
    data = made(odd_data.SETS[name]())
    data_profile = profile(data, data, ProfileSettings(near_duplicates_sample=2000))
    assert data_profile.findings
    assert Profile.model_validate_json(data_profile.model_dump_json()) == data_profile
    assert "</html>" in render(data_profile)


@pytest.mark.parametrize("text", ["!!! ???", "\u0301", "— … —"])
def test_texts_without_any_word_are_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ParetextError, match="no word is left in the texts"):
        profile(made(labelled([text] * 6)))


def test_evaluation_data_of_other_labels_is_refused() -> None:
    with pytest.raises(ParetextError, match="2 label names that are not the 3 of"):
        profile(toy.dataset(30), made(labelled(["some", "words"] * 4)))


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(
                lambda text: not text_problem(text)
            ),
            st.sampled_from(["a", "b", "\u202eb", "<b>", "ü"]),
        ),
        min_size=2,
        max_size=25,
    )
)
def test_any_texts_give_a_profile_or_one_sentence(rows: list[tuple[str, str]]) -> None:
    data = made(rows)
    held = data.take(np.arange(len(rows) // 2 + 1))
    known = len(data.label_names) > 1 and any(words_of(text) for text in data.texts)
    try:
        data_profile = profile(data, held)
    except build.NoProfile:
        raise
    except ParetextError:
        assert not known
    else:
        assert "</html>" in render(data_profile)


def test_a_lemma_that_no_class_uses_often_has_no_preference() -> None:
    """As in tickets of 77 classes: frequent, but in no class often enough."""
    rows = [
        (f"card {form} topic{i}", f"class {i}")
        for i in range(30)
        for form in (["going"] * 4 if i % 2 else ["goes"] * 4)
    ]
    data_profile = profile(made(rows))
    assert data_profile.word_forms is not None
    assert [each.lemma for each in data_profile.word_forms.lemmas] == ["go"]
    assert data_profile.word_forms.lemmas[0].preferences == ()
    assert any("most of all of go, Cramér's V" in each.found for each in data_profile.findings)


@pytest.mark.slow
def test_tickets_have_a_profile() -> None:
    path = CASES / "tickets.csv"
    if not path.exists():
        pytest.skip("the case is not here")
    data = Dataset.read(path, text_column="ticket", label_column="intent")
    assert len(profile(data).classes.classes) == 77


# --- a fault of our own ends neither a run nor, with a traceback, explore


def broken(*_: object) -> Any:
    raise IndexError("tuple index out of range")


def test_a_fault_of_the_profile_does_not_end_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from paretext.cli.bars import ConsoleSink
    from paretext.core import progress

    for module, name in ((build, "findings"), (profile_page, "_values")):
        with monkeypatch.context() as patched, progress.using(ConsoleSink()):
            patched.setattr(module, name, broken)
            profiled(toy.dataset(30), None, Recipe(models=("tfidf",)), tmp_path)
        said = " ".join(capsys.readouterr().err.split())
        assert (
            "no profile: the profile of these texts failed in paretext itself (IndexError" in said
        )
        assert "test_profile_degenerate.py:" in said
        assert list(tmp_path.rglob("profile*")) == []


def test_explore_says_a_fault_in_one_sentence(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "findings", broken)
    data = toy.write(tmp_path / "data.csv", toy.texts_and_labels(30))
    ended = command("explore", data)
    assert ended.status == 2
    assert "IndexError: tuple index out of range" in ended.err
    assert "Traceback" not in ended.err
