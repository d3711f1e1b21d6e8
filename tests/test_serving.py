"""The service's routes in this process: shapes, refusals, limits, token, metrics, log."""

from __future__ import annotations

import gzip
import json
import logging
import struct
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy

pytest.importorskip("fastapi", reason="paretext[serve] is not installed")
from starlette.testclient import TestClient

from paretext.core.errors import ParetextError
from paretext.data.tables import read_rows
from paretext.runtime.artifact import Artifact
from paretext.runtime.rule import Rule
from paretext.serving.app import application
from paretext.serving.counts import Counts
from paretext.serving.guard import logger
from paretext.serving.service import Claim, Service, named
from paretext.serving.settings import Limits

TEXTS = list(toy.dataset(6, seed=7).texts)
LONG = " ".join(toy.dataset(20).texts)
CLAIM = Claim("holds", "int8 may replace fp32.", {"precision=0.9": {"joy": 0.0, "sad": 1.0}})
JSON = {"content-type": "application/json"}

Made = Callable[..., Any]


@pytest.fixture(scope="module")
def artifact(versions: dict[str, Path]) -> Artifact:
    return Artifact.load(versions["int8"], threads=1)


@pytest.fixture(scope="module")
def made(artifact: Artifact) -> Iterator[Made]:
    """made(token=..., max_texts=...) is a client of a service of its own."""
    clients: list[TestClient] = []

    def make(token: str | None = None, origins: tuple[str, ...] = (), **limits: Any) -> TestClient:
        artifacts = {"toy": artifact, "other": artifact}
        service = Service(artifacts, {"toy": CLAIM}, Limits(**limits), token)
        client = TestClient(application(service, origins), raise_server_exceptions=False)
        client.__enter__()
        clients.append(client)
        client.app.state.service = service
        return client

    yield make
    for each in clients:
        each.__exit__(None, None, None)


@pytest.fixture(scope="module")
def client(made: Made) -> Any:
    return made()


def expected(artifact: Artifact, texts: list[str]) -> list[list[dict[str, Any]]]:
    """What text-embeddings-inference would say, from the artifact's own call."""
    labels = artifact.manifest.labels
    return [
        sorted(
            ({"label": label, "score": float(p)} for label, p in zip(labels, row, strict=True)),
            key=lambda each: -each["score"],
        )
        for row in artifact.probabilities(texts)
    ]


def near(answered: Any, wanted: Any) -> bool:
    """Whether two lists of labels with scores are one, to float32 rounding."""
    pairs = list(zip(answered, wanted, strict=True))
    same = [one["label"] == other["label"] for one, other in pairs]
    return all(same) and all(abs(a["score"] - b["score"]) < 1e-5 for a, b in pairs)


# --- what clients send


@pytest.mark.parametrize("path", ["/predict", "/", "/models/other", "/models/toy/predict"])
def test_one_text_is_a_flat_list_and_several_are_lists(
    client: Any, artifact: Artifact, path: str
) -> None:
    wanted = expected(artifact, TEXTS)
    one = client.post(path, json={"inputs": TEXTS[0]})
    assert one.status_code == 200
    assert near(one.json(), wanted[0])
    assert one.headers["x-compute-characters"] == str(len(TEXTS[0]))
    for inputs in (TEXTS, [[text] for text in TEXTS]):
        several = client.post(path, json={"inputs": inputs}).json()
        assert all(near(*each) for each in zip(several, wanted, strict=True))
    (nested,) = client.post(path, json={"inputs": TEXTS[0], "parameters": {}}).json()
    assert near(nested, wanted[0])


def test_scores_are_what_was_asked_for(client: Any, artifact: Artifact) -> None:
    logits = artifact.logits(TEXTS[:1])[0]
    raw = {name: float(each) for name, each in zip(artifact.manifest.labels, logits, strict=True)}

    def scores(**asked: Any) -> dict[str, float]:
        answer = client.post("/predict", json={"inputs": [TEXTS[0]], **asked}).json()[0]
        values = [each["score"] for each in answer]
        assert values == sorted(values, reverse=True)
        return {each["label"]: each["score"] for each in answer}

    assert scores(raw_scores=True) == pytest.approx(raw, abs=1e-4)
    assert scores(parameters={"function_to_apply": "none"}) == pytest.approx(raw, abs=1e-4)
    sigmoid = {name: 1 / (1 + np.exp(-each)) for name, each in raw.items()}
    assert scores(parameters={"function_to_apply": "sigmoid"}) == pytest.approx(sigmoid, abs=1e-4)
    assert scores(parameters={"top_k": 1}).keys() == {max(raw, key=lambda each: raw[each])}


def test_a_long_text_is_cut_and_that_is_said_or_it_is_refused(
    client: Any, artifact: Artifact
) -> None:
    answer = client.post("/predict", json={"inputs": LONG})
    assert answer.headers["x-truncated"] == "1"
    assert near(answer.json(), expected(artifact, [LONG])[0])
    asked = {"inputs": LONG, "truncate": True, "truncation_direction": "Right"}
    assert client.post("/predict", json=asked).json() == answer.json()
    refused = client.post("/predict", json={"inputs": [TEXTS[0], LONG], "truncate": False})
    assert refused.status_code == 413
    assert "text 1 is longer than the 24 tokens" in refused.json()["error"]
    assert client.post("/predict", json={"inputs": TEXTS, "truncate": False}).status_code == 200


def test_kserve_by_json_and_by_bytes(client: Any, artifact: Artifact) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    about = client.get("/v2/models/toy").json()
    assert about["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    tensor = {"name": "text", "shape": [len(TEXTS)], "datatype": "BYTES", "data": TEXTS}
    response = client.post("/v2/models/toy/infer", json={"id": "7", "inputs": [tensor]}).json()
    assert (response["model_name"], response["id"]) == ("toy", "7")
    outputs = {each["name"]: each for each in response["outputs"]}
    assert outputs["label"]["data"] == artifact.predict(TEXTS).tolist()
    assert outputs["probabilities"]["shape"] == [len(TEXTS), len(toy.LABELS)]
    np.testing.assert_allclose(
        outputs["probabilities"]["data"], artifact.probabilities(TEXTS).ravel(), atol=1e-5
    )
    encoded = [text.encode() for text in TEXTS]
    binary = b"".join(struct.pack("<I", len(each)) + each for each in encoded)
    del tensor["data"]
    tensor["parameters"] = {"binary_data_size": len(binary)}
    head = json.dumps({"inputs": [tensor], "outputs": [{"name": "label"}]}).encode()
    sent = {"inference-header-content-length": str(len(head))}
    again = client.post("/v2/models/toy/infer", content=head + binary, headers=sent).json()
    assert again["outputs"] == [outputs["label"]]
    short = client.post("/v2/models/toy/infer", content=head + binary[:-1], headers=sent).json()
    assert f"has {len(binary) - 1} bytes behind the JSON, and its binary" in short["error"]


def test_a_models_one_version_has_the_models_routes(client: Any) -> None:
    about = client.get("/v2/models/toy").json()
    (version,) = about["versions"]
    path = f"/v2/models/toy/versions/{version}"
    assert client.get(path).json() == about
    assert client.get(f"{path}/ready").json() == {"ready": True}
    response = client.post(f"{path}/infer", json={"inputs": [TENSOR]}).json()
    assert response == client.post("/v2/models/toy/infer", json={"inputs": [TENSOR]}).json()
    assert response["model_version"] == version
    for ask in (client.get, partial(client.post, json={"inputs": [TENSOR]})):
        end = "" if ask == client.get else "/infer"
        other = ask(f"/v2/models/toy/versions/2{end}")
        assert other.status_code == 404
        assert other.json() == {"error": "toy has one version; leave it out, or ask version 1."}
        assert "there are toy, other" in ask(f"/v2/models/x/versions/1{end}").json()["error"]


def test_our_own_route_says_what_is_unsure_and_what_is_certified(
    client: Any, artifact: Artifact
) -> None:
    response = client.post("/classify", json={"texts": TEXTS}).json()
    assert response["certificate"] == {"verdict": "holds", "sentence": "int8 may replace fp32."}
    assert response["identity"] == artifact.manifest.identity
    by_label = {"joy": False, "sad": True, "fear": None}
    for answer, label in zip(response["answers"], artifact.predict(TEXTS), strict=True):
        assert answer["label"] == label
        assert answer["unsure"] is by_label[label]
        assert answer["reached"] == ["joy"]
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    least = dict.fromkeys(toy.LABELS, 1 / 3)
    own = client.post("/classify", json={"texts": TEXTS, "thresholds": least}).json()
    for answer in own["answers"]:
        assert answer["unsure"] is False
        reached = [each for each, p in answer["probabilities"].items() if p >= 1 / 3]
        assert sorted(answer["reached"]) == sorted(reached)
    bare = client.post("/models/other/classify", json={"texts": TEXTS[:1]}).json()
    assert (bare["certificate"], bare["thresholds"]) == (None, {})
    assert bare["answers"][0]["unsure"] is None
    assert [each["name"] for each in client.get("/models").json()] == ["toy", "other"]


def test_an_artifacts_own_rule_says_which_answers_stand(artifact: Artifact) -> None:
    rule = Rule(least_probability=0.36, least_margin=0.03, thresholds={"sad": 0.4})
    manifest = artifact.manifest.model_copy(update={"operating": rule})
    ruled = Artifact(artifact.folder, manifest, threads=1)
    texts = list(toy.dataset(40, seed=3).texts)
    decided = ruled.predict(texts).tolist()
    assert 0 < decided.count("") < len(texts)
    with TestClient(application(Service({"toy": ruled}, {"toy": CLAIM}, Limits()))) as client:
        response = client.post("/classify", json={"texts": texts}).json()
        tensor = TENSOR | {"shape": [len(texts)], "data": texts}
        (labels, *_) = client.post("/v2/models/toy/infer", json={"inputs": [tensor]}).json()[
            "outputs"
        ]
        own = client.post("/classify", json={"texts": texts, "thresholds": {}}).json()
        models = client.get("/models").json()
    (described,) = models
    assert described["rule"] == rule.sentences()
    assert response["thresholds"] == {"fear": 0.36, "joy": 0.36, "sad": 0.4}
    assert ["" if each["unsure"] else each["label"] for each in response["answers"]] == decided
    assert labels["data"] == decided
    assert {each["unsure"] for each in own["answers"]} == {None}


# --- what is refused

DEEP = b'{"inputs":' + b"[" * 100_000
TENSOR = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/predict", {"inputs": [["a", "b"]]}, 422, "this model takes single texts"),
        ("/predict", {"inputs": []}, 422, "no text in the request"),
        ("/predict", {"inputs": [1]}, 422, 'give "a text"'),
        ("/predict", {"inputs": None}, 422, 'give "a text"'),
        ("/predict", {"input": "a"}, 422, "inputs is missing"),
        ("/predict", {"inputs": "a", "truncate": "no"}, 422, "another type; give true or false"),
        ("/predict", {"inputs": "a", "parameters": 1}, 422, "another type; give a JSON object"),
        ("/predict", {"inputs": "a", "truncation_direction": "Left"}, 422, "the end of a text is"),
        ("/predict", ["a"], 422, 'send one, such as {"inputs": "a text"}'),
        ("/predict", b"", 422, "missing"),
        ("/predict", b'{"inputs":"a', 422, "not valid JSON"),
        ("/predict", b'{"inputs":"\xff"}', 422, "invalid unicode"),
        ("/predict", b'{"inputs":"a\0b"}', 422, "control character"),
        ("/predict", b'{"inputs":"\\ud800"}', 422, "hex escape"),
        ("/predict", DEEP, 422, "recursion limit"),
        ("/predict", {"inputs": "a" * 10_000_000}, 413, "2,000,000 bytes"),
        ("/predict", {"inputs": "a" * 70_000}, 413, "has 70,000 characters"),
        ("/predict", {"inputs": ["a"] * 300}, 413, "has 300 texts"),
        ("/models/none", {"inputs": "a"}, 404, "no model 'none'; there are toy, other"),
        ("/nowhere", {"inputs": "a"}, 404, "nothing at this address"),
        ("/classify", {"texts": ["a"], "at": "recall=1"}, 422, "there are precision=0.9"),
        ("/classify", {"texts": ["a"], "thresholds": {"x": 0.5}}, 422, "'x', which is no label"),
        ("/classify", {"texts": ["a"], "thresholds": {"joy": 2}}, 422, "less than or equal to 1"),
        ("/classify", {"texts": ["a"], "text": "b"}, 422, "text is nothing that is known here"),
        ("/classify", {"texts": []}, 422, "no text in the request; give at least one"),
        ("/classify", {"texts": [1]}, 422, "texts.0 is of another type; give a text"),
        ("/models/toy/classify", ["a"], 422, 'send one, such as {"texts": ["a text"]}'),
        ("/v2/models/none/infer", {"inputs": [TENSOR]}, 404, "there are toy, other"),
        ("/v2/models/toy/infer", {"inputs": []}, 422, 'give one tensor, "text"'),
        ("/v2/models/toy/infer", {"inputs": [TENSOR | {"shape": [2]}]}, 422, "give [1]"),
        ("/v2/models/toy/infer", {"inputs": [TENSOR | {"datatype": "FP32"}]}, 422, "BYTES"),
        ("/v2/models/toy/infer", {"inputs": [TENSOR | {"data": [1]}]}, 422, "no list of texts"),
        ("/v2/models/toy/infer", {"inputs": [TENSOR | {"data": "a"}]}, 422, "no list of texts"),
        (
            "/v2/models/toy/infer",
            {"inputs": ["a"]},
            422,
            "inputs.0 is of another type; give a JSON",
        ),
        ("/v2/models/toy/infer", ["a"], 422, 'such as {"inputs": [{"name": "text", "shape": [1]'),
        ("/v2/models/toy/infer", DEEP, 422, "recursion limit"),
        (
            "/v2/models/toy/infer",
            {"inputs": [TENSOR], "outputs": [{"name": "x"}]},
            422,
            "there are label, probabilities, truncated",
        ),
    ],
    ids=count(),
)
def test_a_refusal_is_one_sentence_in_the_protocols_shape(
    client: Any, path: str, body: Any, status: int, said: str
) -> None:
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = client.post(path, headers=JSON, **sent)
    assert answer.status_code == status, answer.text
    error = answer.json()
    assert set(error) == ({"error"} if path.startswith("/v2") else {"error", "error_type"})
    assert said in error["error"]
    assert len(error["error"].splitlines()) == 1
    assert len(error["error"]) < 300


def test_a_body_that_says_nothing_of_its_length_or_type_is_refused_too(client: Any) -> None:
    pieces = (b" " * 100_000 for _ in range(30))
    answer = client.post("/predict", content=pieces, headers=JSON)
    assert answer.status_code == 413
    assert "2,000,000 bytes" in answer.json()["error"]
    plain = client.post(
        "/predict", content=b'{"inputs":"a"}', headers={"content-type": "text/plain"}
    )
    assert plain.status_code == 415
    assert "Content-Type: application/json" in plain.json()["error"]


def test_a_body_that_is_compressed_is_refused_before_it_is_read(client: Any) -> None:
    for path in ("/predict", "/v2/models/toy/infer"):
        sent = {**JSON, "content-encoding": "gzip"}
        answer = client.post(path, content=gzip.compress(b'{"inputs":"a"}'), headers=sent)
        assert answer.status_code == 415
        assert answer.headers["accept-encoding"] == "identity"
        error = answer.json()
        assert set(error) == ({"error"} if path.startswith("/v2") else {"error", "error_type"})
        assert error["error"].startswith("the body has Content-Encoding: gzip; send it as it is")
    plain = {**JSON, "content-encoding": "Identity"}
    assert client.post("/predict", json={"inputs": "a"}, headers=plain).status_code == 200


def test_a_nul_that_json_can_say_is_a_text_like_any_other(client: Any, artifact: Artifact) -> None:
    answer = client.post("/predict", json={"inputs": "happy\0and glad"})
    assert near(answer.json(), expected(artifact, ["happy\0and glad"])[0])


def test_a_token_is_asked_for_everywhere_but_where_none_can_be_had(made: Made) -> None:
    client = made(token="sesame-sesame")
    for path in ("/models", "/info", "/metrics", "/v2", "/v2/models/toy"):
        refused = client.get(path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert "the token is missing" in refused.json()["error"]
    for given in ("Bearer sesame-sesamE", "Basic sesame-sesame", "Bearer ü"):
        refused = client.post("/", json={"inputs": "a"}, headers={"authorization": given.encode()})
        assert refused.status_code == 401
        assert "the token is wrong" in refused.json()["error"]
    right = {"authorization": "Bearer sesame-sesame"}
    assert client.post("/", json={"inputs": "a"}, headers=right).status_code == 200
    for path in ("/", "/health", "/v2/health/live", "/v2/health/ready", "/openapi.json"):
        assert client.get(path).status_code == 200


def test_too_many_wait_and_too_late_is_said(made: Made) -> None:
    client = made(queue=4, max_texts=4)
    service = client.app.state.service
    service.first.batcher.waiting += 3
    full = client.post("/predict", json={"inputs": ["a", "b"]})
    assert (full.status_code, full.json()["error_type"]) == (429, "Overloaded")
    assert int(full.headers["retry-after"]) >= 1
    service.first.batcher.waiting -= 3
    service.asking += 4
    full = client.post("/v2/models/toy/infer", json={"inputs": [TENSOR]})
    assert (full.status_code, set(full.json())) == (429, {"error"})
    service.asking -= 4
    hasty = made(timeout=1e-9)
    late = hasty.post("/predict", json={"inputs": ["a", "b"]})
    assert late.status_code in (408, 503)
    assert "1e-09 s" in late.json()["error"]


def test_a_page_elsewhere_may_not_ask_unless_it_may(made: Made, client: Any) -> None:
    asked = {"origin": "https://a.example", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in client.options("/predict", headers=asked).headers
    open_ = made(origins=("https://a.example",))
    allowed = open_.options("/predict", headers=asked).headers
    assert allowed["access-control-allow-origin"] == "https://a.example"
    other = open_.options("/predict", headers={**asked, "origin": "https://b.example"})
    assert "access-control-allow-origin" not in other.headers


def test_limits_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ParetextError, match="raise --queue or lower --max-texts"):
        Limits(queue=10, max_texts=11)


# --- what it tells those who run it


def test_metrics_count_what_was_answered_and_the_log_has_no_texts(
    made: Made, artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    client = made()
    secret = "happy zanzibar"
    with caplog.at_level(logging.INFO, logger=logger.name):
        client.post(
            "/predict", json={"inputs": [*TEXTS, LONG, secret]}, headers={"x-request-id": "r-1"}
        )
        client.post("/classify", json={"texts": [secret], "at": secret})
        client.post(f"/{secret}", json={"inputs": secret})
        client.post("/models/toy/predict", json={"inputs": secret})
    lines = [json.loads(each.message) for each in caplog.records]
    assert [each["status"] for each in lines] == [200, 422, 404, 200]
    assert lines[0]["request"] == "r-1"
    assert (lines[0]["texts"], lines[0]["cut"]) == (8, 1)
    assert [each["route"] for each in lines][2:] == ["none", "/models/{name}/predict"]
    assert "zanzibar" not in caplog.text
    rows = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines())
    labels = artifact.predict([*TEXTS, LONG, secret, secret]).tolist()
    for label in set(labels):
        counted = rows[f'paretext_labels_total{{label="{label}",model="toy"}}']
        assert float(counted) == labels.count(label)
    assert float(rows['paretext_texts_cut_total{model="toy"}']) == 1
    assert float(rows['paretext_requests_total{route="/predict",status="200"}']) == 1
    assert float(rows['paretext_queue_texts{model="toy"}']) == 0
    assert float(rows['paretext_batch_texts_sum{model="toy"}']) == len(labels)


def test_every_route_is_described_and_logged_by_its_pattern(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger=logger.name):
        for path in ("/", "/predict", "/models/toy", "/models/toy/predict"):
            assert client.post(path, json={"inputs": "a"}).status_code == 200
    logged = [json.loads(each.message)["route"] for each in caplog.records]
    assert logged == ["/", "/predict", "/models/{name}", "/models/{name}/predict"]
    described = client.get("/openapi.json").json()["paths"]
    assert all("post" in described[each] for each in logged)
    operations = [each["operationId"] for path in described.values() for each in path.values()]
    assert len(set(operations)) == len(operations)


def test_a_fault_of_ours_is_said_without_what_it_says(
    made: Made, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = made()

    async def fail(*_: Any) -> None:
        raise RuntimeError("zanzibar")

    monkeypatch.setattr(client.app.state.service.first.batcher, "answers", fail)
    with caplog.at_level(logging.INFO, logger=logger.name):
        answer = client.post("/predict", json={"inputs": "a"})
    assert answer.status_code == 500
    (line,) = (json.loads(each.message) for each in caplog.records)
    assert line["request"] in answer.json()["error"]
    assert line["fault"] == "RuntimeError"
    assert any("service.py" in each for each in line["at"])
    assert "zanzibar" not in caplog.text + answer.text


def test_about_to_stop_is_said_to_balancers_and_connections(made: Made) -> None:
    client = made()
    client.app.state.service.draining = True
    for path in ("/health", "/v2/health/ready", "/v2/models/toy/ready"):
        assert client.get(path).status_code == 503
    assert client.get("/v2/health/live").status_code == 200
    answer = client.post("/predict", json={"inputs": "a"})
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


def test_names_of_models() -> None:
    assert named(["a=x/y", "runs/int8/"]) == {"a": Path("x/y"), "int8": Path("runs/int8/")}
    with pytest.raises(ParetextError, match="would both be called int8; give names: one="):
        named(["a/int8", "b/int8"])
    with pytest.raises(ParetextError, match="'a b' is no name"):
        named(["a b=x"])


def test_counts_are_kept_and_go_on_and_hold_no_texts(artifact: Artifact, tmp_path: Path) -> None:
    path = tmp_path / "counts.parquet"
    for _ in range(2):  # a restart
        service = Service({"toy": artifact}, {}, Limits(), counts=Counts(path))
        with TestClient(application(service)) as client:
            client.post("/predict", json={"inputs": [*TEXTS, LONG]})
    rows = list(read_rows(path))
    assert {row["identity"] for row in rows} == {artifact.manifest.identity}

    def counted(measure: str, name: str) -> dict[Any, int]:
        totals: dict[Any, int] = {}
        for row in rows:
            if row["measure"] == measure:
                totals[row[name]] = totals.get(row[name], 0) + int(str(row["count"]))
        return totals

    texts = [*TEXTS, LONG] * 2
    answers = artifact.predict(texts).tolist()
    assert counted("texts", "label") == {"": len(texts)}
    assert counted("cut", "label") == {"": 2}
    assert counted("confidence", "label") == {each: answers.count(each) for each in {*answers}}
    shares = np.histogram(artifact.probabilities(texts).max(axis=1), np.linspace(0, 1, 21))[0]
    lows = {round(low * 20): count for low, count in counted("confidence", "low").items()}
    assert lows == {place: count for place, count in enumerate(shares.tolist()) if count}
    assert sum(counted("characters", "low").values()) == len(texts)
    for row in rows:
        if row["measure"] == "characters":
            inside = [each for each in texts if row["low"] <= len(each) < row["high"]]
            assert row["count"] == len(inside)


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    other = toy.write(tmp_path / "counts.csv", [("a text", "joy")])
    with pytest.raises(ParetextError, match="holds no counts of a service"):
        Counts(other)
    with pytest.raises(ParetextError, match="format is unknown"):
        Counts(tmp_path / "counts.txt")
