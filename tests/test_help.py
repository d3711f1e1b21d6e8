"""The help of every verb in 80 columns."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from paretext.cli import app

VERBS = sorted(str(each.callback.__name__) for each in app.registered_commands if each.callback)
LONGEST = {"run": 36}
"""A screen and a half of 24 lines."""


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    code = (
        "import contextlib, io, json, sys; from paretext import cli; found = {}\n"
        "for verb in sys.argv[1:]:\n"
        "    sys.argv, out = ['paretext', verb, '--help'], io.StringIO()\n"
        "    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):\n"
        "        cli.main()\n"
        "    found[verb] = out.getvalue()\n"
        "sys.__stdout__.write(json.dumps(found))"
    )
    import json

    ended = subprocess.run(
        [sys.executable, "-c", code, *VERBS],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    return dict(json.loads(ended.stdout))


@pytest.mark.parametrize("verb", VERBS)
def test_a_verbs_help_is_whole_at_80_columns(verb: str, helps: dict[str, str]) -> None:
    lines = helps[verb].rstrip("\n").split("\n")
    assert "Example: paretext" in helps[verb]
    assert not [line for line in lines if len(line) > 80 or "\u2026" in line]
    assert len(lines) <= LONGEST.get(verb, 48)


def test_every_option_of_training_that_run_names_is_explained_by_train(
    helps: dict[str, str],
) -> None:
    named = helps["run"].split("paretext train --help")[1].split("\n\n")[0]
    options = [each for each in named.replace(",", " ").split() if each.startswith("--")]
    assert "--learning-rate" in options
    for option in options:
        assert f"\n  {option}" in helps["train"], option
