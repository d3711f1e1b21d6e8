"""Files of any number and length: killed at any moment, in parts, by partitions, on any cores."""

from __future__ import annotations

import functools
import itertools
import os
import pickle
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import toy
from said import Said, said_to

from paretext.core.errors import ParetextError
from paretext.core.places import place
from paretext.data.tables import RowWriter, columns, read_rows
from paretext.runtime import answering, bulk, parts
from paretext.runtime.artifact import Artifact
from paretext.runtime.bulk import predict_file

GOLDEN = Path(__file__).parent / "golden" / "v1"
_FAILED = 255
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return Artifact.load(GOLDEN / "int8", threads=1)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 8)
    monkeypatch.setattr(answering, "CHUNK_ROWS", 4)


@pytest.fixture
def said() -> Iterator[Said]:
    with said_to() as sink:
        yield sink


def table(path: Path, n: int, seed: int = 0, extra: str = "id") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with RowWriter(path, [extra, "text"]) as writer:
        for index, (text, _) in enumerate(toy.texts_and_labels(n, seed)):
            writer.write({extra: index, "text": text if index % 5 else ""})
    return path


def folder(root: Path, suffix: str = ".parquet") -> Path:
    """Hive's partitions, with a file that is none of the tables."""
    table(root / "year=2024" / "lang=en" / f"a{suffix}", 19, 1)
    table(root / "year=2024" / "lang=de%20AT" / f"b{suffix}", 8, 2)
    table(root / "year=2025" / "lang=__HIVE_DEFAULT_PARTITION__" / f"a{suffix}", 3, 3)
    (root / "_SUCCESS").write_text("", encoding="utf-8")
    return root


def contents(path: Path) -> dict[str, bytes]:
    """The bytes of a file or of all files in a folder."""
    files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
    return {each.relative_to(path).as_posix(): each.read_bytes() for each in files}


# --- killed


def events(call: Callable[[], object], kill_at: int = -1) -> int | None:
    """Of a process that makes the call: how many events there were, or None if it was killed at
    that one. Events are rows, records, renames and the deletion of the parts."""
    child = os.fork()
    if child == 0:  # pragma: no cover
        seen = itertools.count(1)

        def counted(module: Any, name: str) -> None:
            real = getattr(module, name)

            def event(*given: Any, **named: Any) -> Any:
                if next(seen) == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*given, **named)

            setattr(module, name, event)

        for module, name in (
            *((RowWriter, "write"), (parts.Job, "_record"), (parts.Job, "_publish_folder")),
            *((parts, "move"), (parts, "delete")),
        ):
            counted(module, name)
        status = _FAILED
        try:
            call()
            status = next(seen) - 1
        finally:
            os._exit(status)
    ended = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) != _FAILED
    return None if os.WIFSIGNALED(ended) else os.WEXITSTATUS(ended)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
@pytest.mark.parametrize(("source", "target"), [("in.parquet", "out.csv"), ("in", "out")])
def test_a_call_killed_at_any_moment_goes_on_without_losing_or_doubling_a_row(
    artifact: Artifact, tmp_path: Path, source: str, target: str
) -> None:
    """At a row, at a record, and at each of the last events, renames and all; then once more."""
    given = folder(tmp_path / source) if source == "in" else table(tmp_path / source, 20)
    before, place = contents(given), tmp_path / target

    def call() -> None:
        predict_file(artifact, given, place, cores=1)

    last = events(call)
    assert last is not None
    expected = contents(place)
    for moment in (3, 14, *range(last - 5, last + 1)):
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        assert events(call, kill_at=moment) is None
        assert not place.exists() or contents(place) == expected
        if moment == 14:
            assert events(call, kill_at=moment) is None
        made = events(call)
        assert made is not None
        assert made < last or moment == 3
        assert contents(place) == expected
        assert {each.name for each in tmp_path.iterdir()} == {source, target}
    assert contents(given) == before


def begun(artifact: Artifact, source: Path, target: Path) -> Path:
    """The folder of a call that was killed when two parts were there, and half of a third."""
    call = functools.partial(predict_file, artifact, source, target, cores=1)
    assert events(call, kill_at=9 + 9 + 4) is None
    return target.with_name(f".{target.name}.parts")


def test_half_a_part_and_a_damaged_one_are_never_read(
    artifact: Artifact, tmp_path: Path, said: Said
) -> None:
    source = table(tmp_path / "in.csv", 30)
    predict_file(artifact, source, tmp_path / "whole.csv")
    work = begun(artifact, source, tmp_path / "out.csv")
    assert len(list(work.glob(".*.part"))) == 1
    first, _ = sorted(work.glob("00000-*.csv"))
    first.write_bytes(first.read_bytes()[:-9])
    counts = predict_file(artifact, source, tmp_path / "out.csv")
    assert counts["rows_done_before"] == 8  # of the second alone
    assert counts["rows"] == 30
    assert counts["unanswered"] == {"no text": 6}
    assert "goes on: 8 of 30 rows were done before" in said.messages
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("changed", ["input", "artifact", "column"])
def test_parts_of_another_job_are_not_taken(
    artifact: Artifact, tmp_path: Path, said: Said, changed: str
) -> None:
    source, target = table(tmp_path / "in.csv", 30), tmp_path / "out.csv"
    begun(artifact, source, target)
    if changed == "input":
        source.write_text(source.read_text(encoding="utf-8").replace("happy", "sad"))
    if changed == "artifact":
        artifact = Artifact.load(GOLDEN / "parent", threads=1)
    text_column = "id" if changed == "column" else None
    predict_file(artifact, source, tmp_path / "whole.csv", text_column)
    assert predict_file(artifact, source, target, text_column)["rows_done_before"] == 0
    assert target.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_what_another_job_had_all_but_published_is_not_taken(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = folder(tmp_path / "in", ".csv"), tmp_path / "out"
    first = min(each for each in source.rglob("*.csv"))

    def killed(self: Path, _: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        patch.setattr(bulk, "delete", lambda _: None)  # whoever is killed cleans nothing up
        with pytest.raises(KeyboardInterrupt):
            predict_file(artifact, source, target)
    first.unlink()
    predict_file(artifact, source, target)
    assert not (target / first.relative_to(source)).exists()
    assert len([*target.rglob("*.csv")]) == len([*source.rglob("*.csv")])


def test_what_was_joined_and_could_not_be_published_is_kept(
    artifact: Artifact, tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = table(tmp_path / "in.csv", 30), tmp_path / "out.csv"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    move = parts.move
    with monkeypatch.context() as patch:
        patch.setattr(parts, "move", lambda a, b: full() if b == target else move(a, b))
        with pytest.raises(ParetextError, match=r"cannot be written \(No space left"):
            predict_file(artifact, source, target)
    assert predict_file(artifact, source, target)["rows_done_before"] == 30
    assert len(target.read_text(encoding="utf-8").splitlines()) == 31


def test_an_error_keeps_what_is_done_and_says_so(
    artifact: Artifact, tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = table(tmp_path / "in.csv", 30), tmp_path / "out.csv"
    write = RowWriter.write

    def full(self: RowWriter, row: Any) -> None:
        if self._before + self.rows == 20:
            raise self._error(OSError(28, "No space left on device"))
        write(self, row)

    with monkeypatch.context() as patch:
        patch.setattr(RowWriter, "write", full)
        with pytest.raises(ParetextError, match=r"out.csv' cannot be written \(No space left"):
            predict_file(artifact, source, target)
    assert said.messages[-1].startswith("16 of 30 rows are done and kept in ")
    assert not target.exists()
    assert predict_file(artifact, source, target)["rows_done_before"] == 16


def test_nobody_else_makes_the_same_file(artifact: Artifact, tmp_path: Path) -> None:
    from paretext.core.locks import work_in

    source = table(tmp_path / "in.csv", 9)
    child = os.fork()
    if child == 0:  # pragma: no cover
        with work_in(tmp_path / ".out.csv.parts"):
            (tmp_path / "locked").touch()
            signal.pause()
    late = time.monotonic() + 20
    while not (tmp_path / "locked").exists():
        assert time.monotonic() < late
    try:
        with pytest.raises(ParetextError, match=r"out.csv.parts is in use by process \d+"):
            predict_file(artifact, source, tmp_path / "out.csv")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


# --- the same answers, wherever they are made


def test_the_bytes_do_not_depend_on_the_cores(artifact: Artifact, tmp_path: Path) -> None:
    source = table(tmp_path / "in.parquet", 45)
    for cores in (1, 2, 5):
        predict_file(artifact, source, tmp_path / f"{cores}.parquet", cores=cores)
    assert len({(tmp_path / f"{n}.parquet").read_bytes() for n in (1, 2, 5)}) == 1
    rows = list(read_rows(tmp_path / "5.parquet"))
    assert [row["id"] for row in rows] == list(range(45))
    texts = [str(row["text"]) for row in rows if row["text"]]
    assert [row["predicted_label"] for row in rows if row["text"]] == [*artifact.predict(texts)]


@pytest.mark.parametrize("first", [0, 1, 7, 8, 9, 23, 24, 40])
def test_rows_behind_the_first_ones(tmp_path: Path, first: int) -> None:
    """By jumping over row groups of 8, and by reading."""
    import pyarrow

    from paretext.data.tables import count_rows, scan_rows

    numbers = pyarrow.table({"n": list(range(40))})
    pq.write_table(numbers, tmp_path / "in.parquet", row_group_size=8)
    table(tmp_path / "in.csv", 40, extra="n")
    for name in ("in.parquet", "in.csv"):
        scanned = [int(str(row["n"])) for row in scan_rows(tmp_path / name, "fail", None, first)]
        assert scanned == list(range(first, 40))
        assert count_rows(tmp_path / name, "fail") == 40


# --- folders and globs


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_a_folder_becomes_a_folder_with_the_same_partitions(
    artifact: Artifact, tmp_path: Path, said: Said, suffix: str
) -> None:
    source, target = folder(tmp_path / "in", suffix), tmp_path / "out"
    assert predict_file(artifact, source, target)["rows"] == 30
    names = {name for name in contents(source) if name != "_SUCCESS"}
    assert {*contents(target)} == names
    for name in names:
        predict_file(artifact, source / name, tmp_path / f"alone{suffix}")
        assert (tmp_path / f"alone{suffix}").read_bytes() == (target / name).read_bytes()


def test_a_folder_becomes_one_file_with_its_partitions_as_columns(
    artifact: Artifact, tmp_path: Path
) -> None:
    source, target = folder(tmp_path / "in"), tmp_path / "out.parquet"
    predict_file(artifact, source, target)
    assert columns(target)[:5] == ["id", "text", "year", "lang", "predicted_label"]
    rows = [(row["id"], row["year"], row["lang"]) for row in read_rows(target)]
    expected = [
        *((i, "2024", "de AT") for i in range(8)),
        *((i, "2024", "en") for i in range(19)),
        *((i, "2025", None) for i in range(3)),
    ]
    assert rows == expected


def test_a_glob_takes_what_it_matches(artifact: Artifact, tmp_path: Path, command: Any) -> None:
    source = folder(tmp_path / "in", ".csv")
    ended = command(
        "predict", GOLDEN / "int8", f"{source}/year=2024/*/*.csv", "-o", tmp_path / "out"
    )
    assert ended.status == 0, ended.err
    assert "27 rows in " in ended.out
    files = {"year=2024/lang=en/a.csv", "year=2024/lang=de%20AT/b.csv"}
    assert {*contents(tmp_path / "out")} == files


@pytest.mark.parametrize("named", ["year=2024", "year=2024/*/*", "year=2024/lang=en/a.csv*"])
def test_a_partition_that_the_call_names_is_kept(
    artifact: Artifact, tmp_path: Path, named: str
) -> None:
    source = folder(tmp_path / "in", ".csv")
    predict_file(artifact, f"{source}/{named}", tmp_path / "out.csv")
    rows = list(read_rows(tmp_path / "out.csv"))
    assert {row["year"] for row in rows} == {"2024"}
    assert "en" in {row["lang"] for row in rows}
    for target in (tmp_path / "out", tmp_path / "again" / "year=2024"):
        target.parent.mkdir(exist_ok=True)
        predict_file(artifact, f"{source}/{named}", target)
    assert (tmp_path / "out" / "year=2024" / "lang=en" / "a.csv").is_file()
    assert (tmp_path / "again" / "year=2024" / "lang=en" / "a.csv").is_file()


# --- what cannot be


def test_what_cannot_be_is_one_sentence_and_nothing_is_written(
    tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder(tmp_path / "in")
    (tmp_path / "empty").mkdir()
    (tmp_path / "full" / "own").mkdir(parents=True)
    half = tmp_path / "half.parquet"
    half.write_bytes((source / "year=2024" / "lang=en" / "a.parquet").read_bytes()[:-20])
    changing = tmp_path / "changing"
    table(changing / "a.parquet", 9)
    table(changing / "b.parquet", 9, extra="number")
    csv = table(tmp_path / "in.csv", 9)
    notes = tmp_path / "full" / "own" / "notes.csv"
    notes.write_text("what I shall not lose\n", encoding="utf-8")
    before = contents(tmp_path)

    def said(*words: object) -> str:
        ended = command("predict", GOLDEN / "int8", *words)
        assert ended.status == 2
        assert ended.err.count("paretext: ") == 1
        assert contents(tmp_path) == before
        return " ".join(ended.err.split())

    out = tmp_path / "out"
    assert "matches no table: name files that end in" in said(source / "*" / "*.csv", "-o", out)
    nothing = said(source / "*" / "none" / "*", "-o", out)
    assert "is a pattern that matches no table: name files that end in" in nothing
    assert "(A text like that: --text '" in nothing
    assert "empty' holds no table" in said(tmp_path / "empty", "-o", out)
    assert "lies inside the input" in said(source, "-o", source / "answers")
    assert "lies inside the input" in said(source, "-o", source)
    assert "lies inside the input" in said(tmp_path / "*.csv", "-o", tmp_path / "out.csv")
    assert "full is a folder with something in it" in said(source, "-o", tmp_path / "full")
    assert "is not a Parquet file that can be read" in said(half, "-o", out.with_suffix(".csv"))
    for suffix in (".parquet", ".csv"):  # of which one has types
        different = said(changing, "-o", out.with_suffix(suffix))
        assert "the columns change from file to file: 'id' is there in" in different
        assert "and missing in" in different
    assert "--ray reads and writes Parquet" in said(csv, "-o", out.with_suffix(".csv"), "--ray")
    assert "notes.csv is there and does not hold answers" in said(csv, "-o", notes)
    assert "is no folder: make it first" in said(source, "-o", out / "deeper")

    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    refused = said(csv, "-o", out.with_suffix(".csv"))
    assert "out.csv' cannot be written (Read-only file system): check the folder's" in refused


def test_an_input_that_changes_meanwhile_is_refused(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = table(tmp_path / "in.csv", 30)
    real = bulk._say

    def meanwhile(*given: Any) -> None:
        source.write_bytes(source.read_bytes() + b"30,one more\n")
        real(*given)

    monkeypatch.setattr(bulk, "_say", meanwhile)
    with pytest.raises(ParetextError, match=r"in.csv changed while it was read"):
        predict_file(artifact, source, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


# --- by workers, played by this process; test_on_ray.py has real ones


class InTurn:
    """What `work_on_ray` uses of Ray."""

    def __init__(self) -> None:
        self.data: Any = SimpleNamespace(
            from_items=self.from_items,
            DataContext=SimpleNamespace(get_current=SimpleNamespace),
            ActorPoolStrategy=dict,
        )
        self.ended = False

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 3.0}

    def nodes(self) -> list[str]:
        return ["one"]

    def from_items(self, rows: list[dict[str, Any]], override_num_blocks: int) -> Any:
        def map_(kind: Any, *, fn_constructor_args: tuple[Any, ...], **_: Any) -> Any:
            worker = kind(*pickle.loads(pickle.dumps(fn_constructor_args)))
            return SimpleNamespace(iter_rows=lambda: map(worker, rows[::-1]))

        assert override_num_blocks == len(rows)
        return SimpleNamespace(map=map_)

    def shutdown(self) -> None:
        self.ended = True


def test_workers_make_the_same_bytes_and_their_errors_are_one_sentence(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paretext.runtime import on_ray

    ray = InTurn()
    monkeypatch.setattr(on_ray, "_connected", lambda _: (ray, True))
    source = folder(tmp_path / "in")
    predict_file(artifact, source, tmp_path / "out")
    predict_file(artifact, source, tmp_path / "by-ray", ray="local")
    assert contents(tmp_path / "by-ray") == contents(tmp_path / "out")
    assert ray.ended
    large = table(tmp_path / "large.parquet", 3000)
    content = bytearray(large.read_bytes())
    content[9000:12000] = bytes(3000)
    large.write_bytes(content)
    with pytest.raises(ParetextError, match=r"large.parquet', row \d+: damaged"):
        predict_file(artifact, large, tmp_path / "out.parquet", ray="local")
    assert not (tmp_path / "out.parquet").exists()


# --- other file systems


def test_a_url_is_read_and_written_as_a_file_is(artifact: Artifact, tmp_path: Path) -> None:
    pytest.importorskip("upath", reason='needs pip install "paretext[ray]"')
    source = folder(tmp_path / "in")
    predict_file(artifact, source, tmp_path / "out")
    predict_file(artifact, source, tmp_path / "out.csv")
    for each, content in contents(source).items():
        remote = place(f"memory://texts/{each}")
        remote.parent.mkdir(parents=True, exist_ok=True)
        remote.write_bytes(content)
    predict_file(artifact, "memory://texts", "memory://answers/out")
    predict_file(artifact, "memory://texts/*/*/*.parquet", "memory://answers/out.csv")
    target = place("memory://answers/out")
    names = {each.relative_to(target).as_posix(): each for each in target.glob("**/*.parquet")}
    assert {name: each.read_bytes() for name, each in names.items()} == contents(tmp_path / "out")
    one = place("memory://answers/out.csv").read_bytes()
    assert one == (tmp_path / "out.csv").read_bytes()
    assert not place("memory://answers/.out.csv.parts").exists()


def test_a_url_without_the_library_says_what_to_install(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(ParetextError, match=r'pip install "paretext\[ray\]"'):
        predict_file(artifact, "memory://texts/in.parquet", tmp_path / "out.csv")
