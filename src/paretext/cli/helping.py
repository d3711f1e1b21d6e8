"""How a verb's help looks: options in groups, the few that matter first, a line each in 80 columns.

The options of training that few need fill no screen of `run`: they are named there, and explained
by `paretext train --help`.
"""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand

GROUPS = {
    "Data": (
        *("data", "eval_", "unlabelled", "selection", "labels", "text_column", "label_column"),
        *("on_bad_row", "drop_leaks", "text", "format"),
    ),
    "Model and versions": ("model", "preset", "recipe", "against", "baseline"),
    "Training": (
        *("max_length", "learning_rate", "batch_size", "steps", "epochs", "patience"),
        *("supersample", "class_weights", "remove_stop_words", "language", "precision", "device"),
        "seed",
    ),
    "Measuring and output": (
        *("budget", "at", "resamples", "threads", "rounds", "force", "rerun", "out", "no_texts"),
        *("json", "help"),
    ),
}
_NAMED_ONLY = {("run", "Training"), ("ablate", "Training")}
_COLUMN = 26


class Verb(TyperCommand):
    """A verb whose help is plain text in groups."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """The docstring; what follows "Example:" keeps its line."""
        first = True
        for paragraph in re.split(r"\n\s*\n", (self.help or "").strip()):
            words = " ".join(paragraph.split())
            before, found, example = words.partition("Example: ")
            if first or before.strip():
                formatter.write_paragraph()
            first = False
            if before.strip():
                formatter.write_text(before.strip())
            if found:
                formatter.write_text(f"Example: {example}")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        params = {each.name: each for each in self.get_params(ctx)}
        arguments: list[Any] = [
            each for each in params.values() if each.param_type_name == "argument"
        ]
        rows = [(each.name.upper(), each.help or "") for each in arguments]
        if rows:
            with formatter.section("Arguments"):
                formatter.write_dl(rows, col_max=_COLUMN)
        options = {
            name: each
            for name, each in params.items()
            if each.param_type_name == "option" and not getattr(each, "hidden", False)
        }
        known = {name for group in GROUPS.values() for name in group}
        groups = {
            group: [options[name] for name in names if name in options]
            for group, names in GROUPS.items()
        }
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


def _row(option: Any) -> tuple[str, str]:
    names = ", ".join([*option.opts, *option.secondary_opts])
    required = "(required) " if option.required else ""
    return names, f"{required}{option.help or ''}"
