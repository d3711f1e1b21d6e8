"""The command line: a file for each verb, which calls a public function of the library.

Libraries are imported by the verb that they serve, so that `paretext --help` does not wait for
PyTorch.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from paretext.cli.helping import VERBS, Verbs, sentence
from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.files import is_full_disk
from paretext.core.settings import nearest
from paretext.core.version import __version__


class _Interrupted(Exception):
    """Ctrl-C, kept from typer, which would end without a word."""


class _Verbs(Verbs):
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb of the file of that name, which is imported when it is asked for."""
        verbs = [verb for group in VERBS.values() for verb in group]
        if cmd_name in verbs:
            from paretext.cli.commands import command

            module = importlib.import_module(f"paretext.cli.{cmd_name}")
            return command(getattr(module, cmd_name))
        found = super().get_command(ctx, cmd_name)
        if found is None:
            raise ParetextError(f"paretext has no verb {cmd_name!r}{nearest(cmd_name, verbs)}")
        return found

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _Interrupted from None


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(asked: bool | None) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


_PATH_ERRORS = (
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
)


_RESUMED = {"run", "train", "compress", "search", "ablate", "demo"}
_GOES_ON = "the same command goes on where it was"


@app.callback()
def paretext(
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = None,
) -> None:
    """Make transformer text classifiers small and fast on ordinary CPUs, and see what that cost.

    Start with: paretext demo
    """


def main() -> None:
    """Run a verb; what the user can mend becomes one sentence and exit status 2."""
    from paretext.cli.bars import ConsoleSink
    from paretext.cli.console import complain, err, show_warning

    _quiet_libraries()
    _encode_everything()
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    try:
        with progress.using(ConsoleSink()), warnings.catch_warnings():
            warnings.showwarning = show_warning
            _check_names(sys.argv[1:])
            status = app(standalone_mode=False, prog_name="paretext")
    except (KeyboardInterrupt, _Interrupted):
        complain(f"interrupted; {_GOES_ON}." if _resumes() else "interrupted.")
        sys.exit(130)  # 128 + SIGINT, as shells count
    except Exception as error:
        said = _sentence(error)
        if said is None:  # a fault of ours, whose message may quote data all the same
            for each in traceback.format_exc().rstrip("\n").split("\n"):
                err.print(each, soft_wrap=True)
            kept = f" Its folder is kept, and {_GOES_ON}." if _resumes() else ""
            complain(f"this is a fault of paretext: please report the lines above.{kept}")
            sys.exit(1)
        complain(said)
        sys.exit(2)
    sys.exit(status or 0)


def _resumes() -> bool:
    """Whether the verb that was asked for goes on from what it has finished."""
    return bool({*sys.argv[1:2]} & _RESUMED)


_RENAMED = {
    ("certify", "--data"): "--eval",
    ("certify", "--limit"): "--budget",
    ("verify", "--data"): "--eval",
    ("predict", "--output"): "--out",
    ("search", "--hours"): "--time",
    ("search", "--minutes"): "--time",
}
"""A verb's former option -> what it is called now: one word means one thing in every verb."""


def _check_names(arguments: Sequence[str]) -> None:
    """ParetextError for an option that has another name now."""
    verb = arguments[0] if arguments else ""
    for each in arguments[1:]:
        name = each.split("=")[0]
        if new := _RENAMED.get((verb, name)):
            raise ParetextError(f"{name} of {verb} is called {new} now; write {new} in its place.")


def _sentence(error: Exception) -> str | None:
    """What to tell the user of an error that is theirs to mend; None for a fault of ours."""
    if isinstance(error, ParetextError):
        return str(error)
    if isinstance(error, typer.TyperException):
        return sentence(error)
    if is_full_disk(error):
        path = getattr(error, "filename", None)
        where = f" while writing {path}" if path else ""
        return (
            f"the disk is full{where}; free some space and run the same command again, "
            "finished stages are kept."
        )
    if isinstance(error, OSError) and error.errno in _PATH_ERRORS and error.filename:
        return f"{error.filename} cannot be used ({error.strerror}); check the path."
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("paretext"):
        extra = {"optuna": "search", "ray": "ray", "fastapi": "serve"}.get(str(error.name), "train")
        return f'{error.name} is not installed; pip install "paretext[{extra}]".'
    return None


def _encode_everything() -> None:
    """What a stream's encoding does not have is written as a number, and is no error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None where it was closed
            stream.reconfigure(errors="backslashreplace")


def _quiet_libraries() -> None:
    """Their progress bars and warnings would tear ours; set only where the user has not."""
    for name, value in {
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "true",
    }.items():
        os.environ.setdefault(name, value)
