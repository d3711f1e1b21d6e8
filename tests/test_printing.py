"""What is printed is text: hostile data, poor terminals, closed pipes, Ctrl-C."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from paretext.cli import bars, console
from paretext.core import progress
from paretext.core.escaping import as_json, encodable, visible

ACTING = {
    "clear": "\x1b[2J",
    "link": "\x1b]8;;http://evil.example\x07here\x1b]8;;\x07",
    "C1": "\x9b2J",
    "override": "\u202eevil",
    "line separator": "a\u2028b",
    "NUL": "\x00",
    "bell": "\x07",
    "backspace": "ok\b\bno",
    "return": "ok\rno",
    "half surrogate": "\ud800",
    "second line": "a\nparetext: all is well",
    "DEL": "\x7f",
}
MARKUP = ("[red]red[/red]", "[link=http://evil.example]x[/link]", "[/]", ":joy:", "\\[bold]")
SCRIPTS = ("日本語", "中文", "한국어", "हिन्दी", "العربية", "ภาษาไทย", "👩‍👧", "café")
HOSTILE = "".join(ACTING.values()) + "".join(MARKUP)


def acts(text: str) -> list[str]:
    """The characters of what was printed that do something, line ends apart."""
    return [c for c in text if c not in "\n\u200d" and unicodedata.category(c) in NOT_SEEN]


NOT_SEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """printed("ascii", "inspect", folder): exit status and what was written, byte by byte."""
    from paretext import cli

    def run(encoding: str, *args: object) -> tuple[int, str, str]:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="") for _ in "oe"]
        monkeypatch.setattr(sys, "argv", ["paretext", *map(str, args)])
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = int(end.code or 0)
        for stream in streams:
            stream.flush()
        out, err = (stream.buffer.getvalue().decode(encoding) for stream in streams)  # type: ignore[attr-defined]
        return status, out, err

    return run


def hostile_table(path: Path, n: int = 90) -> Path:
    """Each label and text holds something that acts, or a script that ASCII does not have."""
    pieces = [*(v for k, v in ACTING.items() if k != "half surrogate"), *MARKUP, *SCRIPTS]
    labels = ("joy\x1b[2J", "悲しい\u202e", "[red]fear[/red] :joy:")
    words = (("happy", "glad"), ("悲しい", "gloomy"), ("scared", "afraid"))
    rows = [
        (f"{words[i % 3][i % 2]} {pieces[i % len(pieces)]} word{i % 7} {i}", labels[i % 3])
        for i in range(n)
    ]
    return toy.write(path, [*rows, rows[0], (rows[1][0], labels[0])])


# --- one text


@pytest.mark.parametrize("text", ACTING.values(), ids=ACTING)
def test_what_acts_is_shown_on_one_line(text: str) -> None:
    assert not acts(visible(text))
    assert "\n" not in visible(text)
    visible(text).encode("utf-8")
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize("text", [*SCRIPTS, *MARKUP, "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "می‌خواهم", "۝", "a  b ", "a\xa0b"])
def test_what_can_be_read_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_hidden_text_and_noncharacters_are_shown() -> None:
    assert visible("a\U000e0068\U000e0069") == "a<U+E0068><U+E0069>"  # tags without a flag
    assert visible("\ufffe\ufdd0") == "<U+FFFE><U+FDD0>"  # XML has no place for them
    assert visible("soft\xadhyphen\ufeff") == "soft<U+00AD>hyphen<U+FEFF>"


@given(st.text(st.characters(categories=None)))
def test_any_text_can_be_shown_and_comes_back_as_json(text: str) -> None:
    shown = visible(text)
    assert not [c for c in shown if c not in "\u200c\u200d" and c in "\x1b\n\r\u2028\u202e\x9b"]
    shown.encode("utf-8")
    for encoding in ("utf-8", "ascii", "cp1252"):
        encodable(shown, encoding).encode(encoding)
        written = as_json({text: [text, float("nan")]}, encoding)
        written.encode(encoding)
        assert not acts(written)
        assert json.loads(written) == {text: [text, None]}


# --- everything that is printed


def test_explore_prints_no_control_and_no_markup(printed: Any, tmp_path: Path) -> None:
    status, out, err = printed("utf-8", "explore", hostile_table(tmp_path / "data.csv"))
    assert status == 0, err
    assert not acts(out) + acts(err)
    for part in ("joy␛[2J", "悲しい<U+202E>", "[red]fear[/red] :joy:"):
        assert part in out


def test_errors_quote_names_of_columns_and_files(printed: Any, tmp_path: Path) -> None:
    head = ("te\x1b[2Jxt", "la[red]bel\x07", "x\nparetext: all is well")
    table = tmp_path / "da[b]ta\x1b[31m.csv"
    toy.write(table, [])
    table.write_text(
        ",".join(f'"{name}"' for name in head) + '\n"a b",c,d\n', encoding="utf-8", newline=""
    )
    for args in ((table,), (table, "--text-column", "no\x9bne"), (tmp_path / "no\x1b[2Jne",)):
        status, out, err = printed("utf-8", "explore", *args)
        assert (status, out) == (2, "")
        assert not acts(err)
        assert len(err.splitlines()) == 1
        assert err.startswith("paretext: ")
    assert "no␛[2Jne" in err


def test_every_way_to_print_shows_text(printed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from paretext import cli

    def show(**_: object) -> None:
        console.line(HOSTILE)
        console.table([HOSTILE, "n"], [[HOSTILE, "1"]], title=HOSTILE)
        console.pairs({HOSTILE: HOSTILE, "list": [HOSTILE], "map": {HOSTILE: 1}}, title=HOSTILE)
        console.complain(HOSTILE)
        progress.say(HOSTILE)
        with progress.task(HOSTILE, 2) as advance:
            advance(1, note=HOSTILE)
        warnings.warn(HOSTILE, UserWarning, stacklevel=1)
        raise RuntimeError(HOSTILE)  # a fault of ours, which may quote data too

    monkeypatch.setattr(cli, "app", show)
    for encoding in ("utf-8", "ascii"):
        status, out, err = printed(encoding)
        assert status == 1
        assert not acts(out) + acts(err)
        assert len(out.splitlines()) < 40
        for text in (out, err):
            assert ":joy:" in text
            assert "[/red]" in text
        assert "Traceback" in err


def test_bars_on_a_terminal_show_text(monkeypatch: pytest.MonkeyPatch) -> None:
    own = console._Plain(file=io.StringIO(), force_terminal=True, color_system=None, width=200)
    monkeypatch.setattr(console, "err", own)
    with bars.ConsoleSink().task("x" + HOSTILE, 3) as advance:
        advance(1, note="y" + HOSTILE)
    seen = re.sub(r"\x1b\[(\?25[lh]|2K|1A)", "", own.file.getvalue())  # what rich itself does
    assert not acts(seen.replace("\r", ""))
    assert "x␛[2J" in seen
    assert "y␛[2J" in seen


def test_the_log_has_one_line_a_message(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="paretext"):
        progress.say("100% " + HOSTILE)
        with progress.task(HOSTILE, 1) as advance:
            advance()
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 3
    assert not any(acts(message) or "\n" in message for message in messages)


# --- terminals that have no Unicode


@pytest.fixture(scope="module")
def artifact(encoder: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model of labels in three scripts."""
    pytest.importorskip("torch")
    from paretext.graphs import export
    from paretext.models.classifier import Classifier

    folder = tmp_path_factory.mktemp("scripts") / "artifact"
    classifier = Classifier.from_pretrained(str(encoder("bert")), SCRIPTS[:3], max_length=24)
    export(classifier, folder, toy.dataset(20).texts, name="日本")
    return folder


def test_a_graph_from_a_stranger_prints_nothing(
    artifact: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """ONNX Runtime's own log, which is written by C++, names what it removes."""
    import onnx

    from paretext.core.files import sha256
    from paretext.runtime.artifact import Artifact
    from paretext.runtime.manifest import FileRecord, Manifest

    folder = Path(shutil.copytree(artifact, tmp_path / "artifact"))
    manifest = Manifest.read(folder)
    path = folder / manifest.model
    graph = onnx.load(path)
    name = "unused\x1b[2J"
    graph.graph.initializer.append(onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, [1], [1]))
    onnx.save(graph, path)
    record = FileRecord(sha256=sha256(path), bytes=path.stat().st_size)
    files = {**manifest.files, manifest.model: record}
    manifest.model_copy(update={"files": files}).write(folder)
    capfd.readouterr()
    Artifact.load(folder).predict(["a text"])
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sklearn")
    from reporting import make_run

    folder = tmp_path_factory.mktemp("scripts") / "run"
    make_run(folder, labels=(*SCRIPTS[:3], "joy\x1b[2J"), n=200)
    return folder


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_verbs_print_what_the_terminal_cannot(
    printed: Any, artifact: Path, run: Path, tmp_path: Path, encoding: str
) -> None:
    def ends(*args: object) -> str:
        status, out, err = printed(encoding, *args)
        assert status == 0, err
        assert not acts(out) + acts(err)
        return str(out)

    inspected = ends("inspect", artifact)
    assert "\\u65e5\\u672c\\u8a9e" in inspected
    assert json.loads(ends("inspect", artifact, "--json"))["labels"] == list(SCRIPTS[:3])
    answered = ends("predict", artifact, "--text", "सुंदर 👩‍👧", "--text", "\x1b[2Jx")
    assert "\\u0938" in answered
    assert "+--" in answered  # boxes in ASCII
    answers = json.loads(ends("predict", artifact, "--text", "सुंदर 👩‍👧", "--json"))
    assert answers[0]["text"] == "सुंदर 👩‍👧"
    data = hostile_table(tmp_path / "data.csv")
    assert "\\u60b2" in ends("explore", data)
    assert "悲しい\u202e" in json.loads(ends("explore", data, "--json"))["distinctive"]["by_class"]
    ends("inspect", run)
    ends("report", run)
    assert json.loads(ends("report", run, "--json"))["measurement"]["labels"][0] == "日本語"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_tables_of_comparison_and_certificate(
    printed: Any, run: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    from paretext import cli
    from paretext.certification.certificate import Certificate
    from paretext.cli.endings import of_run

    def show(**_: object) -> None:
        console.show_comparison(run / "comparison", of_run(run), as_json=False)
        certificate = Certificate.of(run / "artifacts" / "small")
        assert certificate
        console.show_certificate(certificate, run / "artifacts" / "small")

    monkeypatch.setattr(cli, "app", show)
    status, out, err = printed(encoding)
    assert status == 0, err
    assert not acts(out)
    assert ("x broken" if encoding == "ascii" else "✗ broken") in out
    assert "\nWrote " in out


@pytest.mark.slow
def test_the_c_locale_of_a_real_process(artifact: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONIO"))}
    poor = {**clean, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for env in (poor, {**clean, "PYTHONIOENCODING": "ascii"}):
        ended = process("inspect", artifact, env=env)
        assert ended.returncode == 0, ended.stderr
        assert b"\\u65e5\\u672c\\u8a9e" in ended.stdout


# --- streams that end, terminals without a size


def process(*args: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-m", "paretext", *map(str, args)]
    return subprocess.run(words, capture_output=True, env=env, check=False, timeout=120)


ENDLESS = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever a shell in the background set
from paretext import cli
from paretext.cli.console import dump, line, table

@cli.app.command()
def lines():
    while True:
        line("a line")

@cli.app.command()
def tables():
    while True:
        table(["a"], [["b"]] * 100)

@cli.app.command()
def json():
    while True:
        dump(["a"] * 1000)

@cli.app.command()
def wait():
    print("ready", flush=True)
    time.sleep(60)

@cli.app.command()
def one():
    line("a line")
    table(["a column"], [["its value"]])
    dump({})

cli.main()
"""


def started(*args: str, **settings: Any) -> subprocess.Popen[bytes]:
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings}
    return subprocess.Popen([sys.executable, "-c", ENDLESS, *args], **pipe)


@pytest.mark.parametrize("verb", ["lines", "tables", "json"])
def test_a_reader_that_goes_ends_it_quietly(verb: str) -> None:
    with started(verb) as running:
        assert running.stdout
        assert running.stderr
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(timeout=60) == 1


def test_ctrl_c_is_one_line() -> None:
    with started("wait") as running:
        assert running.stdout
        assert running.stdout.readline() == b"ready\n"
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert said == b"paretext: interrupted.\n"
    assert running.returncode == 130


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(closed: str) -> None:
    command = f'exec "$0" -c "$1" one {closed}'
    ended = subprocess.run(
        ["sh", "-c", command, sys.executable, ENDLESS], capture_output=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize(
    "settings", [{"COLUMNS": "0"}, {"COLUMNS": "7"}, {"TERM": "dumb"}, {"NO_COLOR": "1"}, {}]
)
def test_any_terminal_shows_the_table(settings: dict[str, str]) -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()  # of no size, as in a container
    clean = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "TERM", "NO_COLOR")}
    with started("one", stdout=slave, stdin=slave, env={**clean, **settings}) as running:
        os.close(slave)
        seen, end = b"", time.monotonic() + 60
        with contextlib.suppress(OSError):  # EIO when the other side has closed
            while (piece := os.read(master, 4096)) and time.monotonic() < end:
                seen += piece
        assert running.wait(timeout=60) == 0
    os.close(master)
    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", seen)
    assert b"a line" in plain
    assert b"its value" in plain
    if "NO_COLOR" in settings or "TERM" in settings:
        assert not re.search(rb"\x1b\[[0-9;]*3[0-7]m", seen)


@pytest.mark.parametrize(
    ("written", "status", "said"),
    [
        ("{", 2, "config.json is damaged"),
        ("[" * 100_000, 2, "config.json is damaged"),
        ("[]", 2, "config.json is damaged"),
        ('{"architectures": 5, "id2label": ["a"]}', 0, "unknown"),
        ('{"architectures": [null], "id2label": {"0": {"a": "\\u001b[2J"}}}', 0, "None"),
    ],
)
def test_inspect_of_a_damaged_folder(
    printed: Any, tmp_path: Path, written: str, status: int, said: str
) -> None:
    (tmp_path / "config.json").write_text(written, encoding="utf-8")
    ended = printed("utf-8", "inspect", tmp_path)
    assert ended[0] == status, ended
    assert said in ended[1] + ended[2]
    assert "Traceback" not in ended[2]
    assert not acts(ended[1] + ended[2])
