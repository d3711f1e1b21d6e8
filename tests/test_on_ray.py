"""A real Ray cluster of two nodes on this machine answers as one process does, and loses nothing.

Skipped where ray is not installed: pip install "paretext[ray]". Everything listens on 127.0.0.1.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import toy

from paretext.core.errors import ParetextError
from paretext.data.tables import RowWriter
from paretext.runtime import parts
from paretext.runtime.artifact import Artifact
from paretext.runtime.bulk import predict_file

INT8 = Path(__file__).parent / "golden" / "v1" / "int8"
SRC = Path(__file__).parent.parent / "src"
os.environ.update(
    {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # listen on the loopback alone
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # it is 15, and other tests run beside this one
    }
)
pytest.importorskip("ray.data", reason='needs pip install "paretext[ray]"')


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 80 * 2**20}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(SRC), os.environ.get("PYTHONPATH", "")]))
        made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        try:
            made.add_node(**node)
            yield made
        finally:
            made.shutdown()


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return Artifact.load(INT8, threads=1)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files of 40 parts."""
    monkeypatch.setattr(parts, "PART_ROWS", 256)
    folder = tmp_path / "in"
    for year, n in (("2024", 6000), ("2025", 4000)):
        path = folder / f"year={year}" / "texts.parquet"
        path.parent.mkdir(parents=True)
        with RowWriter(path, ["id", "text"], {"id": "int64", "text": "string"}) as writer:
            for index, (text, _) in enumerate(toy.texts_and_labels(n)):
                writer.write({"id": index, "text": text if index % 9 else None})
    return folder


def workers(cluster: Any) -> list[int]:
    """The processes of the cluster's actors that map."""
    raylets = {
        info.process.pid
        for node in cluster.list_all_nodes()
        for info in node.all_processes["raylet"]
    }
    pids = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            if parent in raylets and (each / "cmdline").read_bytes().startswith(b"ray::Map"):
                pids.append(int(each.name))
        except OSError:  # it has ended
            continue
    return pids


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes_and_a_killed_worker_loses_nothing(
    cluster: Any, artifact: Artifact, source: Path, tmp_path: Path
) -> None:
    expected = predict_file(artifact, source, tmp_path / "out-here")
    work, killed = tmp_path / ".out.parts", []

    def kill_one() -> None:
        begin = time.monotonic()
        while time.monotonic() - begin < 250 and not killed:
            if len(list(work.glob("*.json"))) >= 4 and (pids := workers(cluster)):
                os.kill(pids[0], signal.SIGKILL)
                killed.append(pids[0])
            time.sleep(0.02)

    killer = threading.Thread(target=kill_one)
    killer.start()
    counts = predict_file(artifact, source, tmp_path / "out", ray=cluster.address)
    killer.join()
    assert killed
    assert {**counts, "seconds": 0} == {**expected, "seconds": 0}
    for name in ("year=2024", "year=2025"):
        here = (tmp_path / "out-here" / name / "texts.parquet").read_bytes()
        assert (tmp_path / "out" / name / "texts.parquet").read_bytes() == here


def test_no_cluster_there_is_one_sentence(
    artifact: Artifact, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("nobody listens")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(ParetextError, match=r"no Ray cluster at 127.0.0.1:1 \(nobody listens\)"):
        predict_file(artifact, source, tmp_path / "out", ray="127.0.0.1:1")
    assert [each.name for each in tmp_path.iterdir()] == ["in"]
