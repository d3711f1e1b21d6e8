"""How a verb's help looks: options in groups, the few that matter first, a line each in 80 columns.

The options of training that few need fill no screen of `run`: they are named there, and explained
by `paretext train --help`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from typer.core import TyperCommand, TyperGroup

from paretext.core.errors import ParetextError
from paretext.core.settings import nearest

GROUPS = {
    "Data": (
        *("data", "eval_", "unlabelled", "selection", "labels", "text_column", "label_column"),
        *("on_bad_row", "drop_leaks", "text"),
    ),
    "Model and versions": ("model", "preset", "recipe", "against", "baseline"),
    "Training": (
        *("max_length", "learning_rate", "batch_size", "steps", "epochs", "patience"),
        *("supersample", "class_weights", "remove_stop_words", "language", "precision", "device"),
        "seed",
    ),
    "Measuring and output": (
        *("budget", "trials", "hours", "minutes", "at", "resamples", "threads", "rounds"),
        *("require_certificate", "force", "rerun", "resume", "storage"),
        *("out", "output", "form", "no_texts", "json", "help"),
    ),
}
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
        "predict": "Answer a text, a file or a stream; no PyTorch needed.",
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
_VALUES = {
    **dict.fromkeys(("data", "eval_", "selection", "unlabelled", "labels", "recipe"), "FILE"),
    **dict.fromkeys(("text_column", "label_column"), "NAME"),
    **dict.fromkeys(("model", "preset"), "NAME"),
    **dict.fromkeys(("against", "baseline"), "FOLDER"),
    **dict.fromkeys(("language", "precision", "device"), "NAME"),
    "budget": "LIMITS",
    "at": "POINT",
    "storage": "URL",
    "supersample": "COPIES",
    "text": "TEXT",
}
"""What an option takes, where its type says less."""
_KINDS = {int: "N", float: "X", Path: "PATH"}


class Verb(TyperCommand):
    """A verb whose help is plain text in groups."""

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
        params = {each.name: each for each in self.get_params(ctx)}
        arguments: list[Any] = [each for each in params.values() if _is_argument(each)]
        rows = [(each.name.upper(), each.help or "") for each in arguments]
        if rows:
            with formatter.section("Arguments"):
                formatter.write_dl(rows, col_max=_COLUMN)
        options = {
            name: each
            for name, each in params.items()
            if not _is_argument(each) and not getattr(each, "hidden", False)
        }
        known = {name for group in GROUPS.values() for name in group}
        groups = {
            group: [options[name] for name in names if name in options]
            for group, names in GROUPS.items()
        }
        if [each.name for each in groups["Training"]] == ["seed"]:  # of the resamples, say
            groups["Measuring and output"][:0] = groups.pop("Training")
        groups["Other"] = [each for name, each in options.items() if name not in known]
        for group, members in groups.items():
            if not members:
                continue
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

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        if found is None:
            raise ParetextError(
                f"paretext has no verb {cmd_name!r}{nearest(cmd_name, self.commands)}"
            )
        return found


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
    return f"{said[:1].lower()}{said[1:]}; see {help_}."


def _is_argument(param: Any) -> bool:
    return str(param.param_type_name) == "argument"


def _row(option: Any) -> tuple[str, str]:
    """An option with what it takes; its help with what it is where it is not given."""
    names = ", ".join([*option.opts, *option.secondary_opts])
    kind: Any = getattr(getattr(option, "type_descriptor", None), "annotation", None)
    if get_origin(kind) is Literal:
        names += f" {'|'.join(map(str, get_args(kind)))}"
    elif not option.is_flag:
        names += f" {_VALUES.get(option.name) or _KINDS.get(kind, 'TEXT')}"
    required, said = "(required) " if option.required else "", option.help or ""
    plain = option.default if isinstance(option.default, int | float | str) else None
    if plain is not None and not isinstance(plain, bool):
        said = (
            f"{said.rstrip('.')} (default: {plain:,})."
            if isinstance(plain, int)
            else (f"{said.rstrip('.')} (default: {plain}).")
        )
    return names, f"{required}{said}"


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
