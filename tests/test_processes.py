"""An Artifact in more than one process or thread: forked, spawned, pickled, copied, shared."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import toy
from graphs import graph_file
from strangers import change_manifest

from paretext.core.errors import ParetextError
from paretext.runtime import sessions
from paretext.runtime.artifact import Artifact, available_cores

Versions = dict[str, Path]
TEXTS = list(toy.dataset(60).texts)
BEGIN = """
import os, sys
from paretext import Artifact
folder, texts = sys.argv[1], sys.stdin.read().splitlines()
artifact = Artifact.load(folder, threads=8)
alone, together = artifact.logits(texts[:1]), artifact.logits(texts)
def right():
    off = abs(artifact.logits(texts) - together).max()
    return max(off, abs(artifact.logits(texts[:1]) - alone).max()) < 1e-5
"""


def run(code: str, folder: Path, seconds: int = 60, **environment: str) -> str:
    """What a process prints that has an artifact in use; a hang fails, and holds up nobody."""
    # CI and the like switch ONNX Runtime's telemetry off, whose threads are part of what is tested
    hidden = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "TOKENIZERS_PARALLELISM")
    clean = {name: value for name, value in os.environ.items() if name not in hidden}
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean, **environment},
        start_new_session=True,
    )
    try:
        out, err = process.communicate("\n".join(TEXTS), timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        pytest.fail(f"hangs after {seconds} s")
    assert (process.returncode, err) == (0, "")
    return out


FORK = """
child = os.fork()
if child == 0:
    {inside}
    sys.exit()
status = os.waitpid(child, 0)[1]
print(os.waitstatus_to_exitcode(status), right())
"""


@pytest.mark.parametrize("setting", [{}, {"TOKENIZERS_PARALLELISM": "true"}])
@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ("print(right(), flush=True)", "True\n"),
        ("print(right(), right(), flush=True); del artifact", "True True\n"),
        ("del artifact", ""),
        ("pass", ""),
        ("os.fork(); os.write(1, b'%s\\n' % str(right()).encode())", "True\nTrue\n"),
    ],
)
def test_a_fork_of_a_process_that_has_answered(
    versions: Versions, inside: str, said: str, setting: dict[str, str]
) -> None:
    assert run(FORK.format(inside=inside), versions["int8"], **setting) == said + "0 True\n"


def test_a_fork_while_other_threads_ask(versions: Versions) -> None:
    code = """
import threading
end = threading.Event()
def ask():
    while not end.is_set():
        artifact.logits(texts)
threads = [threading.Thread(target=ask) for _ in range(3)]
for each in threads: each.start()
codes = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        os._exit(not right())
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
end.set()
for each in threads: each.join()
print(*codes, right())
"""
    assert run(code, versions["fp32"]) == "0 0 0 0 0 True\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_of_processes(versions: Versions, tmp_path: Path, method: str) -> None:
    (tmp_path / "work.py").write_text("def work(task): return task[0].logits(task[1])\n")
    code = f"""
import multiprocessing
import numpy as np
sys.path.insert(0, {str(tmp_path)!r})
from work import work
if __name__ == "__main__":
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        answers = pool.map(work, [(artifact, texts[:30]), (artifact, texts[30:])])
    print(abs(np.concatenate(answers) - together).max() < 1e-5, right())
"""
    assert run(code, versions["fp32"], PYTHONPATH=os.pathsep.join([*sys.path[1:]])) == "True True\n"


def _pickled(artifact: Artifact) -> Artifact:
    loaded: Artifact = pickle.loads(pickle.dumps(artifact))
    return loaded


def _dumped(artifact: Artifact, folder: Path) -> Artifact:
    joblib.dump({"model": artifact}, folder / "model.joblib")
    loaded: Artifact = joblib.load(folder / "model.joblib")["model"]
    return loaded


def test_pickle_joblib_and_copies(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(versions["fp32"].parent)
    artifact = Artifact.load("fp32", threads=2)  # relative, and left before it has answered
    monkeypatch.chdir(tmp_path)
    expected = artifact.logits(TEXTS)
    copies = [_pickled(artifact), _dumped(artifact, tmp_path), copy.deepcopy(artifact)]
    for each in [*copies, copy.copy(artifact)]:
        assert each is not artifact
        assert each.threads == 2
        assert each.folder == versions["fp32"].resolve()
        assert each.manifest == artifact.manifest
        np.testing.assert_allclose(each.logits(TEXTS), expected, atol=1e-6)
        np.testing.assert_allclose(each.logits(TEXTS[:1]), expected[:1], atol=1e-5)
    assert _pickled(Artifact.load(versions["fp32"])).threads == available_cores()


def test_what_was_pickled_is_what_comes_back_or_a_refusal(
    versions: Versions, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(versions["fp32"], tmp_path / "artifact"))
    content = pickle.dumps(Artifact.load(folder))
    assert len(content) < 1000
    assert pickle.loads(content).predict(TEXTS[:3]).shape == (3,)
    shutil.rmtree(folder)
    with pytest.raises(ParetextError, match="is not a folder"):
        pickle.loads(content)
    shutil.copytree(versions["int8"], folder)
    with pytest.raises(ParetextError, match="holds another artifact now"):
        pickle.loads(content)
    graph_file(folder).write_bytes(b"x")
    with pytest.raises(ParetextError, match="differs from the digest"):
        pickle.loads(content)


def test_a_graph_that_is_replaced_before_it_is_used(versions: Versions, tmp_path: Path) -> None:
    """Sessions are made when they are needed: in a forked child, long after loading."""
    folder = Path(shutil.copytree(versions["fp32"], tmp_path / "artifact"))
    first, second = (Artifact.load(folder, threads=1) for _ in range(2))
    graph = graph_file(folder)
    (tmp_path / "new").write_bytes(graph.read_bytes())
    (tmp_path / "new").replace(graph)
    assert first.predict(TEXTS[:2]).shape == (2,)
    shutil.copy(graph_file(versions["int8"]), graph)
    assert first.predict(TEXTS[:2]).shape == (2,)  # has its session
    with pytest.raises(ParetextError, match=r"model\.onnx differs from the digest"):
        second.predict(TEXTS)
    graph.unlink()
    with pytest.raises(ParetextError, match=r"lacks model\.onnx"):
        second.predict(TEXTS)


def test_eight_threads_at_once(versions: Versions, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    class Counted(sessions.Session):
        def __init__(self, path: Path, threads: int, classes: int) -> None:
            made.append(threads)
            super().__init__(path, threads, classes)

    monkeypatch.setattr(sessions, "Session", Counted)
    one = Artifact.load(versions["fp32"], threads=1)
    expected = one.logits(TEXTS)
    artifact, start = Artifact.load(versions["fp32"], threads=2), threading.Barrier(8)
    made.clear()

    def ask(number: int) -> Any:
        start.wait()
        some = TEXTS[number::8]
        return [
            (artifact.logits(TEXTS), artifact.logits(some), artifact.logits(some[:1]))
            for _ in range(5)
        ]

    with ThreadPoolExecutor(8) as pool:
        for number, answers in enumerate(pool.map(ask, range(8))):
            for everything, some, alone in answers:
                np.testing.assert_allclose(everything, expected, atol=1e-5)
                np.testing.assert_allclose(some, expected[number::8], atol=1e-5)
                np.testing.assert_allclose(alone, expected[[number]], atol=1e-5)
    assert sorted(made) == [1, 2]


def test_paretext_lets_onnx_runtime_send_nothing() -> None:
    code = "import os, paretext; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    clean = {name: each for name, each in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    for given, expected in (({}, "1"), ({"ORT_DISABLE_TELEMETRY": "0"}, "0")):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={**clean, **given}
        )
        assert done.stdout.strip() == expected, done.stderr


def test_a_changed_copy_is_not_taken_for_the_same(versions: Versions, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(versions["fp32"], tmp_path / "artifact"))
    artifact = Artifact.load(folder)
    change_manifest(folder, lambda values: values["labels"].reverse())
    with pytest.raises(ParetextError, match="holds another artifact now"):
        copy.deepcopy(artifact)
