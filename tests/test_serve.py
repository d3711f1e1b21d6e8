"""paretext serve as a process: its start, its clients, its end, what it does not begin with."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from test_bad_input import refused

pytest.importorskip("fastapi", reason="paretext[serve] is not installed")
import httpx2

from paretext.certification.budget import Budget
from paretext.certification.certificate import Certificate, attach
from paretext.certification.certify import certify
from paretext.runtime.artifact import Artifact
from paretext.runtime.manifest import Manifest

ROOT = Path(__file__).parent.parent
TEXTS = list(toy.dataset(12, seed=7).texts)
TOKEN = "open-sesame-open-sesame"


class Running:
    """A process of `paretext serve`, its address, and the lines of its log."""

    def __init__(self, *words: str | Path) -> None:
        command = [sys.executable, "-m", "paretext", "serve", *map(str, words), "--port", "0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        self.log: list[dict[str, Any]] = []
        assert self.process.stderr is not None
        first = self.process.stderr.readline()
        assert first.startswith("{"), first + self.process.stderr.read()
        self.address = json.loads(first)["address"]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.log += [json.loads(line) for line in self.process.stderr]

    def end(self, sign: int = signal.SIGTERM) -> int:
        self.process.send_signal(sign)
        status = self.process.wait(60)
        self._reader.join(60)
        return status


@pytest.fixture(scope="module")
def running(
    versions: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    token = tmp_path_factory.mktemp("token") / "token.txt"
    token.write_text(f"{TOKEN}\n", encoding="utf-8")
    started = Running(f"toy={versions['int8']}", versions["fp32"], "--token-file", token)
    yield started
    assert started.end(signal.SIGINT) == 0
    assert started.log[-1]["event"] == "stopped"


def test_the_process_needs_no_pytorch(running: Running) -> None:
    maps = Path(f"/proc/{running.process.pid}/maps")
    if not maps.exists():
        pytest.skip("no /proc here")
    httpx2.get(f"{running.address}/health")
    libraries = maps.read_text(encoding="utf-8")
    assert "onnxruntime" in libraries
    assert "libtorch" not in libraries
    assert "/scipy/" not in libraries


def test_the_hugging_face_client(
    running: Running, versions: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # 127.0.0.1 alone
    artifact = Artifact.load(versions["int8"])
    for path in ("", "/predict", "/models/toy"):
        client = hub.InferenceClient(model=running.address + path, token=TOKEN)
        for text in TEXTS[:3]:
            scores = {each.label: each.score for each in client.text_classification(text)}
            row = artifact.probabilities([text])[0]
            assert scores == pytest.approx(
                dict(zip(toy.LABELS, row.tolist(), strict=True)), abs=1e-5
            )
            assert next(iter(scores)) == artifact.predict([text])[0]
        (best,) = client.text_classification(TEXTS[0], top_k=1, function_to_apply="sigmoid")
        assert best.label == artifact.predict(TEXTS[:1])[0]
    wrong = hub.InferenceClient(model=running.address, token="wrong")
    with pytest.raises(hub.errors.HfHubHTTPError, match="401"):
        wrong.text_classification(TEXTS[0])


@pytest.mark.parametrize("binary", [False, True], ids=["as JSON", "as bytes"])
def test_tritons_client(running: Running, versions: dict[str, Path], binary: bool) -> None:
    triton = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed")
    artifact = Artifact.load(versions["fp32"])
    headers = {"authorization": f"Bearer {TOKEN}"}
    with triton.InferenceServerClient(running.address.removeprefix("http://")) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("fp32", headers=headers)
        assert client.get_server_metadata(headers=headers)["name"] == "paretext"
        (asked,) = client.get_model_metadata("fp32", headers=headers)["inputs"]
        texts = triton.InferInput(asked["name"], [len(TEXTS)], asked["datatype"])
        texts.set_data_from_numpy(np.array(TEXTS, dtype=object), binary_data=binary)
        assert client.is_model_ready("fp32", "1", headers=headers)
        response = client.infer("fp32", [texts], model_version="1", headers=headers)
        assert response.as_numpy("label").tolist() == artifact.predict(TEXTS).tolist()
        np.testing.assert_allclose(
            response.as_numpy("probabilities"), artifact.probabilities(TEXTS), atol=1e-5
        )
        one = triton.InferRequestedOutput("probabilities", binary_data=binary)
        again = client.infer("fp32", [texts], outputs=[one], headers=headers)
        assert again.as_numpy("label") is None
        with pytest.raises(Exception, match="there is no model 'none'; there are toy, fp32"):
            client.infer("none", [texts], headers=headers)


def test_the_lines_of_curl_in_the_guide(running: Running) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    guide = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\n(curl .*?)```", guide, re.S)
    commands = [line for each in blocks for line in each.replace("\\\n", "").splitlines()]
    assert len(commands) >= 6
    for command in commands:
        here = command.replace("http://localhost:8080", running.address)
        here = here.replace("/models/int8", "/models/toy")
        bearer = f"-fsS -H 'Authorization: Bearer {TOKEN}'"
        ended = subprocess.run(
            here.replace("curl", f"curl {bearer}", 1),
            shell=True,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, (here, ended.stderr)


# --- its end


@pytest.mark.slow
def test_overloaded_and_ended_it_answers_all_that_it_accepted(versions: dict[str, Path]) -> None:
    """Clients without pause, more than there is room for, and SIGTERM among them."""
    running = Running(versions["int8"], "--queue", 16, "--max-texts", 16, "--threads", 1)
    counts: dict[str, int] = {}
    lock, ended = threading.Lock(), threading.Event()

    def client(number: int) -> None:
        texts = [TEXTS[number % len(TEXTS)]] * (1 + number % 12)
        with httpx2.Client(base_url=running.address, timeout=30, verify=False) as session:
            while not ended.is_set():
                try:
                    answer = session.post("/predict", json={"inputs": texts})
                    outcome = str(answer.status_code)
                    whole = len(answer.json()) == len(texts) or answer.status_code == 429
                    outcome += "" if whole else " in part"
                except (httpx2.ConnectError, httpx2.ReadError, httpx2.WriteError):
                    outcome = "refused"
                except httpx2.RemoteProtocolError as error:
                    outcome = f"broken: {error}"
                with lock:
                    counts[outcome] = counts.get(outcome, 0) + 1
                if outcome == "refused":
                    return

    with ThreadPoolExecutor(24) as pool:
        for number in range(24):
            pool.submit(client, number)
        deadline = time.monotonic() + 60
        while counts.get("200", 0) < 150 or "429" not in counts:
            assert time.monotonic() < deadline, counts
            time.sleep(0.02)
        status = running.end()
        ended.set()
    assert status == 0
    stopped = running.log[-1]
    assert stopped["event"] == "stopped"
    statuses = [each["status"] for each in running.log if each["event"] == "request"]
    assert set(statuses) == {200, 429}
    assert stopped["accepted"] == stopped["answered"] >= counts["200"]
    assert {each: counts[each] for each in ("200", "429")} == {
        each: statuses.count(int(each)) for each in ("200", "429")
    }
    assert not [each for each in counts if "in part" in each], counts


# --- what it does not begin with


def certified(versions: dict[str, Path], folder: Path, change: Callable[[Any], Any]) -> Path:
    """A copy of fp32 whose certificate, of one clause that holds, was changed as asked."""
    made = Path(shutil.copytree(versions["fp32"], folder / "fp32"))
    budget = Budget.model_validate(Budget.recorded({"flips": 0.5}))
    certificate = certify(made, versions["pytorch"], toy.dataset(60, seed=5), budget, resamples=50)
    attach(change(certificate).sealed(), made)
    return made


def elsewhere(certificate: Certificate, **other: Any) -> Certificate:
    return certificate.model_copy(update={"machine": {**certificate.machine, **other}})


def test_port_and_token_are_looked_at_first(
    command: Any, versions: dict[str, Path], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = command("serve", versions["int8"], "--port", port)
        refused(ended, f"port {port} of 127.0.0.1 cannot be used (Address already in use)")
    refused(command("serve", versions["int8"], "--token-file", tmp_path / "x"), "cannot be read")
    (tmp_path / "short").write_text("abc\n", encoding="utf-8")
    ended = command("serve", versions["int8"], "--token-file", tmp_path / "short")
    refused(ended, "has 3 characters; give one of 8 or more")


def test_a_file_of_counts_is_kept_by_one_service(
    command: Any, versions: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("serve", versions["int8"], "--port", 0, "--log", tmp_path / "counts.csv")
    seconds = []
    served = "paretext.serving.server.serve"
    monkeypatch.setattr(served, lambda *_: seconds.append(command(*words)))
    assert command(*words).status == 0
    refused(seconds[0], "counts.csv is in use by process ", "give another file, or stop it")
    monkeypatch.setattr(served, lambda *_: None)
    assert command(*words).status == 0, "whoever held it has ended"


def test_a_changed_byte_is_refused_and_a_run_names_its_artifacts(
    command: Any, versions: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(versions["int8"], tmp_path / "int8"))
    graph = folder / Manifest.read(folder).model
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(bytes(content))
    refused(command("serve", folder), "differs from the digest in manifest.json")
    refused(command("serve", tmp_path), "is not an artifact")
    refused(command("serve", "a=" + str(folder), "a=" + str(folder)), "would both be called a")


def test_a_certificate_that_is_required_has_to_hold_here(
    command: Any, versions: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr("paretext.serving.server.serve", lambda *given: started.append(given))
    required = ("--require-certificate", "--port", 0)
    refused(command("serve", versions["int8"], *required), "has no certificate")

    made = certified(versions, tmp_path, lambda each: each)
    whole = Certificate.of(made)
    assert whole is not None
    assert command("serve", made, *required).status == 0
    claim = started[0][0].first.claim
    assert (claim.verdict, claim.sentence) == ("holds", whole.sentence)

    broken = whole.clauses[0].model_copy(update={"verdict": "broken"})
    update = {"verdict": "broken", "clauses": (broken,)}
    attach(whole.model_copy(update=update).sealed(), made)
    refused(command("serve", made, *required), "is broken (flips), and one that holds is required")
    assert command("serve", made, "--port", 0).status == 0, "nobody asked for one"

    attach(elsewhere(whole, instruction_sets=["sse2"]).sealed(), made)
    refused(command("serve", made, *required), "flips of ", "was certified with sse2, and here")
    versions_then = {**whole.machine["versions"], "onnxruntime": "1.0"}
    attach(elsewhere(whole, versions=versions_then).sealed(), made)
    refused(command("serve", made, *required), "certified with onnxruntime 1.0, and here is")
    attach(elsewhere(whole, cpu="Z80").sealed(), made)
    assert command("serve", made, *required).status == 0, "the same answers"
    latency = whole.clauses[0].model_copy(update={"name": "p95_latency"})
    timed = elsewhere(whole, cpu="Z80").model_copy(update={"clauses": (*whole.clauses, latency)})
    attach(timed.sealed(), made)
    refused(command("serve", made, *required), "p95_latency of ", "certified on Z80, and here is")


# --- the image


def test_the_image_is_built_of_steps_that_work(versions: dict[str, Path]) -> None:
    """What its lines copy and install is there, and what it starts is a command of ours."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    steps = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
    for word, given in steps:
        if word == "COPY" and not given.startswith("--from"):
            for source in given.split()[:-1]:
                assert (ROOT / source).exists(), source
    runs = " ".join(given for word, given in steps if word == "RUN")
    assert "-c constraints.txt" in runs
    assert '".[serve]"' in runs
    users = [given for word, given in steps if word == "USER"]
    assert users[-1].split(":")[0] not in ("root", "0")
    start = json.loads(next(given for word, given in steps if word == "ENTRYPOINT"))
    more = json.loads(next(given for word, given in steps if word == "CMD"))
    assert start[:2] == ["paretext", "serve"]
    from typer.main import get_command

    from paretext.cli import app

    verb: Any = get_command(app).get_command(None, "serve")  # type: ignore[attr-defined]
    known = {name for each in verb.params for name in (*each.opts, *each.secondary_opts)}
    assert {each for each in (*start, *more) if each.startswith("--")} <= known | {"--help"}


def test_where_it_is_answered_can_be_typed_into_a_browser() -> None:
    from paretext.core.errors import ParetextError
    from paretext.serving.server import address, listen

    for host, written in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")):
        try:
            at = listen(host, 0)
        except ParetextError:  # no IPv6 here
            continue
        with at:
            assert address(at) == f"http://{written}:{at.getsockname()[1]}"
