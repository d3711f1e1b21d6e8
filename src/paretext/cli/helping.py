"""How a verb's help looks: options in groups, the few that matter first, a line each in 80 columns.

The options of training that few need fill no screen of `run`: they are named there, and explained
by `paretext train --help`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from textwrap import shorten
from typing import Any

from typer.core import TyperCommand, TyperGroup

from paretext.core.settings import nearest
from paretext.core.wording import listed

LAST = "Measuring and output"
"""The group of what is a verb's own; the others are titles of groups that verbs share."""
_NAMED_ONLY = {("run", "Training"), ("ablate", "Training")}
VERBS = {
    "From what you have to the folder to deploy": {
        "compress": "I have a fine-tuned classifier: smaller, faster, certified.",
        "run": "I have a table of labelled texts: the same, trained first.",
    },
    "Begin": {
        "demo": "The whole job in minutes, offline, on generated texts.",
        "explore": "What is in the data, and what to do about it before training.",
    },
    "Use what was made": {
        "threshold": "When an artifact answers, and when it is unsure.",
        "predict": "Answer a text, a file or a stream; no PyTorch needed.",
        "page": "One HTML file that answers in any browser, offline.",
        "serve": "Answer over HTTP, with a page to try it; no PyTorch needed.",
        "inspect": "What a run, an artifact or a classifier is.",
        "report": "Everything about a run on one page.",
    },
    "Measure and certify": {
        "compare": "Quality, size and speed of artifacts, on the same texts.",
        "certify": "What compression changed, clause by clause.",
        "verify": "Whether a certificate still says the truth.",
    },
    "One step at a time": {
        "train": "Models alone; the best encoder becomes the parent.",
        "search": "The best recipe under a budget of size, time and quality.",
        "ablate": "Does one change (stop words, another encoder) change a model?",
    },
}
"""Every verb with a line, those first that do a whole job."""
_COLUMN = 29
_MORE = 60
"""Characters of what a verb was given too much."""


ALONE = {"--ray": "local"}
"""Options that may stand without their value, and what it is then."""


class Verb(TyperCommand):
    """A verb whose help is plain text in groups."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = {name for each in self.params for name in each.opts}
        given: list[str] = []
        for word, after in pairwise([*args, "-"]):
            alone = word in ALONE and word in known and after.startswith("-")
            given += [word, ALONE[word]] if alone else [word]
        parsed: list[str] = super().parse_args(ctx, given)
        return parsed

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        arguments = [each.name.upper() for each in self.params if _is_argument(each)]
        formatter.write_usage(ctx.command_path, " ".join([*arguments, "[OPTIONS]"]))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """The docstring; what follows "Example:" is a command that can be copied."""
        first = True
        for paragraph in re.split(r"\n\s*\n", (self.help or "").strip()):
            before, *examples = " ".join(paragraph.split()).split("Example: ")
            if first or before.strip():
                formatter.write_paragraph()
            first = False
            if before.strip():
                formatter.write_text(before.strip())
            for example in examples:
                formatter.write("\n".join(_example(example.strip(), formatter.width)) + "\n")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        params = self.get_params(ctx)
        arguments: list[Any] = [each for each in params if _is_argument(each)]
        rows = [(each.name.upper(), each.help or "") for each in arguments]
        if rows:
            with formatter.section("Arguments"):
                formatter.write_dl(rows, col_max=_COLUMN)
        options = [each for each in params if not _is_argument(each)]
        groups: dict[str, list[Any]] = {}
        for each in options:
            groups.setdefault(getattr(each, "rich_help_panel", None) or LAST, []).append(each)
        groups[LAST] = groups.pop(LAST)  # it ends with --help
        for group, members in groups.items():
            if (self.name, group) in _NAMED_ONLY:
                names = ", ".join(each.opts[0] for each in members)
                with formatter.section(f"{group} (explained by: paretext train --help)"):
                    formatter.write_text(names)
                continue
            with formatter.section(group):
                formatter.write_dl([_row(each) for each in members], col_max=_COLUMN)


class Verbs(TyperGroup):
    """All verbs: each with a line, in the order in which they are needed."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        formatter.write_usage(ctx.command_path, "VERB [OPTIONS]")

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.format_usage(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(" ".join((self.help or "").split()))
        for title, verbs in VERBS.items():
            with formatter.section(title):
                formatter.write_dl(list(verbs.items()))
        formatter.write_paragraph()
        formatter.write_text("paretext VERB --help has a verb's options, and an example.")


def sentence(error: Any) -> str:
    """What to tell the user of a command line that typer does not understand."""
    command: Any = error.ctx.command if error.ctx else None
    verb = "paretext" if command is None or command.name == "paretext" else command.name
    param, help_ = getattr(error, "param", None), "paretext --help"
    if command is not None and verb != "paretext":
        help_ = f"paretext {verb} --help"
    if hasattr(error, "possibilities"):
        known = [name for each in command.params for name in (*each.opts, *each.secondary_opts)]
        long = [name for name in known if name.startswith("--")]
        return f"{verb} has no option {error.option_name}{nearest(error.option_name, long)}"
    if type(error).__name__ == "MissingParameter" and param is not None:
        what = param.name.upper() if _is_argument(param) else param.opts[0]
        meaning = (param.help or "").split(". ")[0].split(" (")[0].rstrip(".")
        meaning = meaning[:1].lower() + meaning[1:] if meaning[1:2].islower() else meaning
        return f"{verb} needs {what}: {meaning}; an example is in: {help_}."
    said = error.format_message().rstrip(".")
    if command is not None and (more := re.search(r"unexpected extra .*? \((.*)\)$", said)):
        takes = [each.name.upper() for each in command.params if _is_argument(each)]
        return (
            f"{verb} takes {listed(takes or ['options alone'])}, and was given more "
            f"({shorten(more[1], _MORE)}): what has a blank or a * in it goes in quotes; see "
            f"{help_}."
        )
    return f"{said[:1].lower()}{said[1:]}; see {help_}."


def _is_argument(param: Any) -> bool:
    return str(param.param_type_name) == "argument"


def _row(option: Any) -> tuple[str, str]:
    """An option with what it takes, and its help."""
    names = ", ".join([*option.opts, *option.secondary_opts])
    takes = "" if option.is_flag else f" {option.metavar}"
    return f"{names}{takes}", f"{'(required) ' if option.required else ''}{option.help or ''}"


def _example(command: str, width: int) -> list[str]:
    """The command in lines that a shell takes as one."""
    lines, words = ["Example:"], command.split(" ")
    for place, word in enumerate(words):
        more = 0 if place == len(words) - 1 else 2
        if len(lines[-1]) + 1 + len(word) + more > width:
            lines[-1] += " \\"
            lines.append(" ")
        lines[-1] += f" {word}"
    return lines
