"""The service against its own OpenAPI document: generated requests, and answers as described.

Each route gets a share of PARETEXT_REQUESTS (about 200) requests, right and wrong ones;
`make fuzz` sends 10,000.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="paretext[serve] is not installed")
pytest.importorskip("schemathesis", reason="schemathesis is not installed")
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from paretext.runtime.artifact import Artifact
from paretext.serving.app import application
from paretext.serving.service import Claim, Service
from paretext.serving.settings import Limits

REQUESTS = int(os.environ.get("PARETEXT_REQUESTS", "200"))


@pytest.mark.slow
def test_every_answer_is_one_that_is_described(versions: dict[str, Path]) -> None:
    artifact = Artifact.load(versions["int8"], threads=1)
    claim = Claim("holds", "It holds.", {"precision=0.9": {"joy": 0.5}})
    service = Service({"toy": artifact}, {"toy": claim}, Limits())
    app = application(service, log=False)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [each.ok() for each in schema.get_all_operations()]
    ways = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    share = REQUESTS // (2 * sum(each.method == "post" for each in operations))
    counted: Counter[int] = Counter()
    for operation in operations:
        for way in ways:
            if operation.method == "get" and way is GenerationMode.NEGATIVE:
                continue
            send(operation, way, share, counted)
    assert not {status for status in counted if status >= 500}
    assert counted[200] > REQUESTS // 10
    assert counted[422] > REQUESTS // 20


def send(operation: Any, way: Any, times: int, counted: Counter[int]) -> None:
    @settings(
        max_examples=max(times, 1),
        database=None,
        deadline=None,
        derandomize=True,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=way))
    def ask(case: Any) -> None:
        if counted.total() % 4:
            there = {"name": "toy", "version": "1"}
            case.path_parameters |= {each: there[each] for each in case.path_parameters}
        response = case.call()
        counted[response.status_code] += 1
        # The document cannot say that a label exists, or that a shape is that of the data.
        case.validate_response(response, excluded_checks=[positive_data_acceptance])

    ask()
