"""The harness notices what no input may bring about."""

from __future__ import annotations

import harness
import pytest
from harness import Worker


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ("raises", "IndexError"),
        ("opens", "/etc/hostname"),
        ("opens unseen", "'secret'.* was opened, outside of the folder"),
        ("hangs", "hangs over 3 s"),
        ("dies", "died with status -11"),
        ("eats", "'megabytes': 2[0-9]{3}"),
        ("rambles", "and another"),
        ("starts", "os.system"),
    ],
)
def test_what_may_not_happen_is_noticed(
    worker: Worker, how: str, match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "hangs":
        monkeypatch.setattr(harness, "SECONDS", 3)
    with pytest.raises(AssertionError, match=match):
        worker.ask("misbehave", how=how, bait=worker.bait / "secret")
