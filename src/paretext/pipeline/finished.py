"""Finished: what a whole job leaves, for a Python caller and a notebook."""

from __future__ import annotations

import html
from functools import cached_property
from pathlib import Path
from typing import Any

from paretext.core.run_folder import RunFolder
from paretext.measure.comparison import Comparison
from paretext.pipeline.parents import parent_of
from paretext.report.run_data import Conclusion
from paretext.report.run_gather import gather
from paretext.report.run_page import PAGE
from paretext.runtime.artifact import Artifact


class Finished:
    """A finished run: its folder, and what is in it."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @cached_property
    def conclusion(self) -> Conclusion:
        """The verdict: which version to deploy, why, and what to do next."""
        return gather(self.folder).conclusion

    @cached_property
    def comparison(self) -> Comparison | None:
        """Everything that was measured; None where nothing was."""
        folder = RunFolder(self.folder).comparison
        return Comparison.read(folder) if (folder / "comparison.json").is_file() else None

    @property
    def recommended(self) -> Artifact | None:
        """The artifact to deploy; None where nothing is worth it (`conclusion` says why)."""
        version = self.conclusion.version
        return None if version is None else self.artifact(version)

    @property
    def parent(self) -> str:
        """The name of the model that the versions were made from, below candidates/."""
        return parent_of(self.folder)[1]

    @property
    def report(self) -> Path:
        """Everything on one page."""
        return RunFolder(self.folder).report / PAGE

    def artifact(self, version: str) -> Artifact:
        """One of the versions, by its name in the table."""
        return Artifact.load(RunFolder(self.folder).artifact(version))

    @property
    def table(self) -> list[dict[str, Any]]:
        """A row for each version, as in comparison.csv: pandas.DataFrame(finished.table)."""
        return [] if self.comparison is None else self.comparison.flat()

    def __repr__(self) -> str:
        return f"Finished({str(self.folder)!r}: {self.conclusion.headline})"

    def __str__(self) -> str:
        """The verdict, as the command line ends with it."""
        verdict = self.conclusion
        lines = [verdict.headline, *verdict.sentences, verdict.command or "", verdict.python or ""]
        return "\n".join(filter(None, lines))

    def _repr_html_(self) -> str:
        """The verdict and the table of versions, for a notebook."""
        from paretext.report.table import BRIEF, brief_cells

        verdict = self.conclusion
        said = "".join(f"<p>{html.escape(each)}</p>" for each in verdict.sentences)
        parts = [f"<p><strong>{html.escape(verdict.headline)}</strong></p>", said]
        if verdict.python:
            parts.append(f"<pre>{html.escape(verdict.python)}</pre>")
        if self.comparison is not None:
            head = "".join(f"<th>{html.escape(name)}</th>" for name in BRIEF)
            rows = "".join(
                "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
                for row in brief_cells(self.comparison)
            )
            parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
        return "".join(parts)
