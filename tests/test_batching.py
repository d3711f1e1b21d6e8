"""Texts that come one by one, answered together: the same answers, room for all, nobody lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import toy

from paretext.core.errors import ParetextError
from paretext.runtime.artifact import Answers, Artifact
from paretext.serving.batching import TEXTS, Answered, Batcher, Full, is_independent

LONG = " ".join(toy.dataset(20).texts)
TEXTS_OF_ALL_LENGTHS = [*toy.dataset(40, seed=3).texts, LONG, "", "x", "\0", "é" * 300]


class Slow:
    """In an artifact's place: its answer to a text is the text's length, once it may answer."""

    threads = 2

    def __init__(self) -> None:
        labels = ("a", "b")
        agreed = SimpleNamespace(largest_probability_difference=0.0)
        self.manifest = SimpleNamespace(labels=labels, independence=agreed)
        self.may = threading.Event()
        self.begun = threading.Event()
        self.calls: list[list[str]] = []

    def answers(self, texts: list[str]) -> Answers:
        if texts != [""]:
            self.begun.set()
            assert self.may.wait(20)
            self.calls.append(list(texts))
        if "bad" in texts:
            raise ParetextError("one of the texts is bad; leave it out.")
        return Answers(
            np.array([[len(text), 0] for text in texts], np.float32), np.zeros(len(texts), bool)
        )


def ask(artifact: Any, job: Callable[[Batcher], Coroutine[Any, Any, Any]], most: int = 1000) -> Any:
    """What a job makes of a batcher that has begun."""
    batcher = Batcher(artifact, most)
    batcher.start()
    try:
        return asyncio.run(job(batcher))
    finally:
        batcher.stop()


@pytest.mark.parametrize("version", ["fp32", "int8"])
def test_an_answer_does_not_depend_on_who_else_asks(
    versions: dict[str, Path], version: str
) -> None:
    artifact = Artifact.load(versions[version], threads=2)
    assert is_independent(artifact)

    async def all_at_once(batcher: Batcher) -> list[Answered]:
        asked = [batcher.answers([text], 30) for text in TEXTS_OF_ALL_LENGTHS]
        return list(await asyncio.gather(*asked, batcher.answers(TEXTS_OF_ALL_LENGTHS, 30)))

    *single, together = ask(artifact, all_at_once)
    alone = [artifact.answers([text]) for text in TEXTS_OF_ALL_LENGTHS]
    expected = np.concatenate([each.logits for each in alone])
    np.testing.assert_allclose(together.logits, expected, atol=1e-5)
    np.testing.assert_allclose(
        np.concatenate([each.logits for each in single]), expected, atol=1e-5
    )
    assert together.cut.tolist() == [bool(each.truncated) for each in alone]
    assert [bool(each.cut[0]) for each in single] == together.cut.tolist()
    assert 2 <= together.cut.sum() < len(alone)


def test_what_came_meanwhile_is_the_next_batch_and_a_long_request_lets_others_in() -> None:
    slow = Slow()
    many = [f"{place:04}" for place in range(5 * TEXTS)]

    async def job(batcher: Batcher) -> list[Answered]:
        first = asyncio.ensure_future(batcher.answers(["first"], 20))
        await asyncio.to_thread(slow.begun.wait, 20)
        rest = [batcher.answers(many, 20), batcher.answers(["short"], 20)]
        waiting = asyncio.gather(first, *rest)
        await asyncio.sleep(0.05)
        assert batcher.waiting == len(many) + 1
        slow.may.set()
        return list(await waiting)

    answered = ask(slow, job)
    assert [each.logits[0, 0] for each in answered] == [5, 4, 5]
    assert len(answered[1].logits) == len(many)
    sizes = [len(each) for each in slow.calls]
    assert sizes == [1, 2 * TEXTS, 2 * TEXTS, TEXTS + 1][: len(sizes)]
    assert "short" in slow.calls[2], "it waited for one batch of the long request"
    assert [text for call in slow.calls for text in call if text in many] == many


def test_a_text_that_cannot_be_answered_fails_alone() -> None:
    slow = Slow()

    async def job(batcher: Batcher) -> list[Any]:
        asked = [batcher.answers([text], 20) for text in ("first", "good", "bad", "better")]
        waiting = asyncio.gather(*asked, return_exceptions=True)
        await asyncio.to_thread(slow.begun.wait, 20)
        slow.may.set()
        return list(await waiting)

    first, good, bad, better = ask(slow, job)
    assert [each.logits[0, 0] for each in (first, good, better)] == [5, 4, 6]
    assert "is bad" in str(bad)


def test_room_is_bounded_and_comes_back_whatever_happens_to_those_who_wait() -> None:
    slow = Slow()

    async def job(batcher: Batcher) -> None:
        first = asyncio.ensure_future(batcher.answers(["first"], 20))
        await asyncio.to_thread(slow.begun.wait, 20)
        late = asyncio.ensure_future(batcher.answers(["late"] * 3, 0.05))
        await asyncio.sleep(0)
        with pytest.raises(Full, match="3 texts wait already") as full:
            await batcher.answers(["no", "room"], 20)
        assert full.value.seconds >= 1
        with pytest.raises(TimeoutError):
            await late
        assert batcher.waiting == 0
        slow.may.set()
        await first
        assert (await batcher.answers(["room"] * 4, 20)).logits[:, 0].tolist() == [4] * 4

    ask(slow, job, most=4)
    assert ["late"] not in slow.calls, "nobody waits for it"


def test_where_texts_may_change_each_others_answers_each_is_asked_by_itself() -> None:
    slow = Slow()
    slow.manifest.independence = None  # an artifact of an older version
    slow.may.set()

    async def job(batcher: Batcher) -> Answered:
        return await batcher.answers(["a", "bb", "ccc"], 20)

    assert ask(slow, job).logits[:, 0].tolist() == [1, 2, 3]
    assert slow.calls == [["a"], ["bb"], ["ccc"]]


def test_the_only_request_is_answered_without_a_thread(versions: dict[str, Path]) -> None:
    artifact = Artifact.load(versions["int8"], threads=1)

    async def job(batcher: Batcher) -> tuple[Answered, Answered]:
        batcher._lone = 0.0  # however busy this machine is
        alone = await batcher.answers([LONG], 20, only=True)
        batcher._lone = 1.0  # a large model's
        return alone, await batcher.answers([LONG], 20, only=True)

    alone, threaded = ask(artifact, job)
    assert alone.queued == 0 < threaded.queued
    assert alone.logits.tolist() == threaded.logits.tolist()
    assert alone.cut.tolist() == threaded.cut.tolist() == [True]


def test_what_waits_is_answered_before_it_stops() -> None:
    slow = Slow()
    slow.may.set()
    batcher = Batcher(slow, 100)  # type: ignore[arg-type]
    batcher.start()

    async def job() -> list[Answered]:
        asked = [asyncio.ensure_future(batcher.answers(["x"], 20)) for _ in range(50)]
        await asyncio.sleep(0)
        await asyncio.to_thread(batcher.stop)
        return await asyncio.gather(*asked)

    assert len(asyncio.run(job())) == 50
