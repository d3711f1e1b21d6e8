"""The help of every verb in 80 columns."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_bad_input import refused
from typer.main import get_command

from paretext import cli
from paretext.cli import app
from paretext.cli.helping import VERBS as LISTED

VERBS = sorted(verb for verbs in LISTED.values() for verb in verbs)
COMMANDS: dict[str, Any] = {verb: get_command(app).get_command(None, verb) for verb in VERBS}  # type: ignore[attr-defined]
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


def test_the_help_of_all_verbs_names_each_of_them() -> None:
    """A verb is a file whose function of the same name takes a class of settings."""
    files = {path.stem for path in Path(cli.__file__).parent.glob("*.py")}
    assert {name for name in files if f'"""The verb {name}.' in verb_file(name)} == set(VERBS)


def verb_file(name: str) -> str:
    return Path(cli.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_that_takes_a_value_says_which(verb: str, helps: dict[str, str]) -> None:
    """`--steps N`, not `--steps`; flags take none."""
    for option in COMMANDS[verb].params:
        if option.param_type_name == "argument" or option.is_flag or option.name == "help":
            continue
        options = helps[verb].split("\n\nData:")[-1].splitlines()
        lines = [line for line in options if re.match(rf"  {option.opts[0]}\b", line)]
        if option.rich_help_panel == "Training" and verb in ("run", "ablate"):
            continue
        assert re.match(r"  --[-a-z]+(, -[-a-z]+)? (\[ADDRESS\]|[A-Z|a-z0-9]+)(  |$)", lines[0]), (
            lines
        )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("comprss",), "paretext has no verb 'comprss'; did you mean 'compress'?"),
        (("predict", "x", "--prob", "y"), "predict has no option --prob; known are --text, "),
        (("certify", "x", "--evl", "y"), "certify has no option --evl; did you mean '--eval'?"),
        (("run",), "run needs --data: training texts: a table, a hub dataset; an example is in"),
        (("certify", "x"), "certify needs --against: "),
        (
            ("predict", "x", "a/1.csv", "a/2.csv"),
            "predict takes ARTIFACT and TEXTS, and was given more (a/2.csv): what has a blank "
            "or a * in it goes in quotes; see paretext predict --help.",
        ),
        (("demo", "x"), "demo takes options alone, and was given more (x): "),
        (("run", "--data", "x", "--rounds", "many"), "--rounds"),
    ],
)
def test_a_command_line_that_is_wrong_is_answered_in_one_sentence(
    command: Any, arguments: tuple[str, ...], said: str
) -> None:
    ended = command(*arguments)
    refused(ended, said)
    assert len(ended.err.splitlines()) == 1


PAGES = [
    *Path(__file__).parent.parent.glob("docs/*.md"),
    Path(__file__).parent.parent / "README.md",
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_the_docs_can_be_typed(page: Path) -> None:
    fenced = re.findall(r"```\w*\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    joined = "\n".join(fenced).replace("\\\n", " ")
    for line in re.findall(r"^ *(?:\w+=\S+ +)?paretext ([a-z].*)$", joined, re.M):
        verb, *words = line.split("|")[0].split()
        assert verb in COMMANDS, line
        known = {
            name for each in COMMANDS[verb].params for name in (*each.opts, *each.secondary_opts)
        }
        unknown = [each for each in words if re.match(r"--?[a-z]", each) and each not in known]
        assert not unknown, f"{page.name}: paretext {line} ({unknown})"
