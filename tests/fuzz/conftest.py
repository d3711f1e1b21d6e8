"""The worker and the things that are mutated, made once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import Worker


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    made = Worker(tmp_path_factory.mktemp("fuzz") / "inputs")
    made.folder.mkdir()
    yield made
    made.close()
