"""gather(): a run's folder, finished or not -> what its page shows.

Nothing here measures or decides: every number was written by the stage that found it. A part that
is not there, or cannot be read, becomes a sentence in `RunReport.missing`, so that a run that was
interrupted can be looked at as well as one that ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from paretext.certification.certificate import Certificate
from paretext.certification.held_out import doubts
from paretext.core.errors import ParetextError
from paretext.core.files import read_json, sha256
from paretext.core.run_folder import (
    ARTIFACTS,
    CANDIDATES,
    CERTIFICATES,
    CHOSEN,
    CLASSIFIERS,
    COMPARISON,
    PARENT,
    PROFILE,
    SETTINGS,
    RunFolder,
)
from paretext.core.unfinished import unfinished
from paretext.core.verdict import shell
from paretext.core.version import __version__
from paretext.data.checks import DataReport
from paretext.measure import ranking
from paretext.measure.comparison import BASELINE, Comparison
from paretext.report import run_data as parts
from paretext.report.conclusion import Where, conclude, going_on
from paretext.report.run_rows import (
    flipped_texts,
    history,
    is_derived,
    measured,
    named,
    origin,
    profile_shown,
)
from paretext.report.table import notes, sentences
from paretext.runtime.manifest import CERTIFICATE, NAME, Manifest
from paretext.training.plan import RECORD, TrainingRecord

_SIGNS = (SETTINGS, CHOSEN, CANDIDATES, ARTIFACTS, COMPARISON, PROFILE)

T = TypeVar("T")


def gather(run: Path) -> parts.RunReport:
    """Everything that `run`, a folder of `paretext run` or of its single verbs, has to show.

    Raises ParetextError for a folder that no run was ever started in.
    """
    if not run.is_dir():
        raise ParetextError(f"{run} is not a folder; give the folder of a run.")
    signs = any((run / sign).exists() or (run / f"{sign}.partial").exists() for sign in _SIGNS)
    if not signs and unfinished(run) is None:
        raise ParetextError(
            f"{run} holds no run, none of {', '.join(_SIGNS)}; give the folder that was given to "
            "paretext run --out."
        )
    return _Gatherer(run).report()


def conclusion_of(
    comparison: Comparison, artifacts: Mapping[str, Path], out: Path
) -> parts.Conclusion:
    """What to make of artifacts that lie anywhere; the first is what the others are compared with.

    out: where the comparison lies.
    """
    manifests = {name: Manifest.read(folder) for name, folder in artifacts.items()}
    certificates = {
        name: certificate
        for name, folder in artifacts.items()
        if (certificate := Certificate.of(folder)) is not None
    }
    first = next(iter(manifests.values()))
    versions = [
        measured(
            row,
            comparison,
            architecture=manifests[row.version].architecture if row.version in manifests else None,
            derived=row.version == BASELINE or manifests[row.version].shares_root(first),
            verdict=row.certificate.verdict if row.certificate else None,
        )
        for row in ranking.versions(comparison.rows)
    ]
    more = shell("compare", *artifacts.values(), "--eval", "MORE.csv", "--out", f"{out}-2")
    answered_by = comparison.data.get("answered_by")
    where = Where(artifacts, more)
    return conclude(versions, certificates, where, comparison.standing, answered_by)


class _Gatherer:
    def __init__(self, run: Path) -> None:
        self.run = run
        self.missing: list[parts.Missing] = []

    def report(self) -> parts.RunReport:
        settings, checks = self._settings()
        profile = self._profile(checks)
        candidates = self._candidates()
        manifests = self._manifests(settings)
        comparison = self._comparison(manifests)
        if comparison is not None:  # everything in the order of the table
            order = [row.version for row in ranking.by_cost(comparison.rows)]
            manifests |= {name: manifests.pop(name) for name in order if name in manifests}
        certificates = self._certificates(manifests)
        versions = self._versions(comparison, manifests, certificates)
        flipped = self._flipped(certificates)
        self._unfinished()
        return parts.RunReport(
            made_by=__version__,
            name=self.run.resolve().name,
            conclusion=going_on(
                conclude(
                    versions,
                    certificates,
                    self._where(manifests, candidates, settings),
                    comparison.standing if comparison else None,
                    comparison.data.get("answered_by") if comparison else None,
                ),
                unfinished(self.run),
            ),
            missing=tuple(self.missing),
            measurement=comparison
            and parts.Measurement(
                data=comparison.data,
                machine=comparison.machine,
                labels=comparison.labels,
                order=ranking.in_words(comparison.rows),
                said=tuple(sentences(comparison)),
                notes=tuple(notes(comparison)),
                standing=comparison.standing,
            ),
            versions=versions,
            certificates=tuple(
                parts.Certified(version=name, certificate=each)
                for name, each in certificates.items()
            ),
            flipped=flipped,
            candidates=candidates,
            origins=tuple(origin(name, each) for name, each in manifests.items()),
            checks=checks,
            profile=profile,
            settings=settings,
        )

    def _where(
        self,
        manifests: Mapping[str, Manifest],
        candidates: Sequence[parts.Candidate],
        settings: Mapping[str, Any] | None,
    ) -> Where:
        """Where things lie, and how to measure on other texts and to train longer."""
        run, values = self.run, settings or {}
        measure = shell("compare", run, "--eval", "EVAL.csv")
        models = [each for model in values.get("models", ()) for each in ("--model", model)]
        train = shell("run", "--data", "TRAIN.csv", "--eval", "EVAL.csv", *models, "--out", run)
        parent = next((each.name for each in candidates if each.is_parent), None)
        record, epochs = self._training(parent), values.get("training", {}).get("epochs")
        longer = f"--epochs {2 * epochs}" if isinstance(epochs, int) else None
        longer = record.longer if record is not None else longer
        return Where(
            {name: RunFolder(run).artifact(name) for name in manifests},
            measure=measure if PARENT in manifests else train,
            train=f"{train} {longer}" if longer and models else None,
            run=run,
            trained=parent,
            rising=record.advice if record is not None else None,
            unmade=self._unmade(),
        )

    def _unmade(self) -> tuple[str, ...]:
        """What a ladder left out, and why."""
        path = RunFolder(self.run).ladder
        if not path.is_file():
            return ()
        made = self._read(
            *("ladder", path, "the same command writes it again"),
            lambda: read_json(path, f"delete {path}", lambda said: tuple(map(str, said))),
        )
        return made or ()

    def _training(self, parent: str | None) -> TrainingRecord | None:
        """How the parent was trained, where that is on record."""
        if parent is None:
            return None
        folder = RunFolder(self.run).candidate(parent)
        return self._read(
            *("candidates", folder / RECORD, "train again"),
            lambda: TrainingRecord.read(folder),
        )

    def _lacks(self, part: str, said: str) -> None:
        self.missing.append(parts.Missing(part=part, said=said))

    def _read(self, part: str, path: Path, remedy: str, read: Callable[[], T]) -> T | None:
        """What `read` finds; None, and a sentence, where the file is damaged."""
        try:
            return read()
        except ParetextError as error:
            self._lacks(part, str(error))
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            reason = " ".join(str(error).split())[:200]
            self._lacks(part, f"{path} cannot be read ({reason}); {remedy}.")
        return None

    def _settings(self) -> tuple[dict[str, Any] | None, DataReport | None]:
        path = RunFolder(self.run).settings
        if not path.is_file():
            self._lacks(
                "settings",
                f"there is no {path}, so the settings and what was found in the data are not "
                "known; paretext run and paretext train write it.",
            )
            return None, None

        def read(values: Any) -> tuple[dict[str, Any], DataReport]:
            recipe = dict(values["recipe"])
            recipe["versions"] = [{**each, "name": each["name"]} for each in recipe["versions"]]
            return recipe, named(DataReport.model_validate(values["data"]))

        remedy = "start the run again"
        settings = self._read("settings", path, remedy, lambda: read_json(path, remedy, read))
        return settings or (None, None)

    def _profile(self, checks: DataReport | None) -> parts.ProfileShown | None:
        path = self.run / "profile" / "profile.json"
        if checks is not None and checks.evaluation is None and not path.is_file():
            record = RunFolder(self.run).chosen
            taken = self._read("candidates", record, "", lambda: read_json(record, "", dict))
            if taken and "taken_from" in taken:  # and only measured: there is nothing to profile
                return None
        remedy = f"paretext explore TRAIN --eval EVAL --out {self.run / 'profile'}"
        if not path.is_file():
            self._lacks("profile", f"the data have no profile; make it with: {remedy}.")
            return None
        return self._read(
            "profile", path, f"make it again with: {remedy}", lambda: profile_shown(path)
        )

    def _candidates(self) -> tuple[parts.Candidate, ...]:
        record = RunFolder(self.run).chosen

        def read(values: Any) -> tuple[str, dict[str, float]]:
            scores = values["selection_macro_f1"].items()
            return str(values["parent"]), {name: float(score) for name, score in scores}

        chosen: tuple[str, dict[str, float]] | None = None
        if record.is_file():
            remedy = "start the run again"
            chosen = self._read(
                "candidates", record, remedy, lambda: read_json(record, remedy, read)
            )
        folders = _folders(RunFolder(self.run).candidates)
        if not folders:
            self._lacks(
                "candidates",
                "no candidate is trained yet; start the same paretext run (or paretext train) "
                "again, it goes on where it was.",
            )
        elif not record.is_file():
            self._lacks(
                "candidates",
                f"the parent is not chosen yet: there is no {record}; start the same paretext run "
                "again.",
            )
        parent, scores = chosen or ("", {})
        return tuple(
            parts.Candidate(
                name=folder.name,
                is_parent=folder.name == parent,
                selection_macro_f1=scores.get(folder.name),
                history=self._history(folder / "history.json"),
            )
            for folder in folders
        )

    def _history(self, path: Path) -> tuple[dict[str, float | None], ...]:
        """Rows of epochs; none for a model that is not trained in epochs."""
        if not path.is_file():
            return ()
        return self._read("learning curves", path, "train again", lambda: history(path)) or ()

    def _manifests(self, settings: dict[str, Any] | None) -> dict[str, Manifest]:
        """Of every artifact, the parent's first."""
        manifests: dict[str, Manifest] = {}
        for folder in RunFolder(self.run).listed():
            if not (folder / NAME).is_file():
                continue
            manifest = self._read(
                *("artifacts", folder / NAME, "export it again"),
                lambda folder=folder: Manifest.read(folder),  # type: ignore[misc]
            )
            if manifest is not None:
                manifests[folder.name] = manifest
        if PARENT not in manifests:
            said = "start the same command again, it goes on where it was"
            self._lacks("artifacts", f"{PARENT} is not made yet; {said}.")
            return manifests
        if not manifests[PARENT].is_encoder:  # nothing of it was to be compressed
            return manifests
        planned = [each["name"] for each in (settings or {}).get("versions", ())]
        if {*manifests} - {PARENT, *planned} and not {*planned} & {*manifests}:
            planned = []  # compress was given other versions than run.json has
        if absent := [name for name in planned if name not in manifests]:
            self._lacks(
                "artifacts",
                f"{_listed(absent)} not made yet; make {_them(absent)} with: paretext compress "
                f"{self.run} --data TRAIN.",
            )
        return manifests

    def _certificates(self, manifests: dict[str, Manifest]) -> dict[str, Certificate]:
        certificates: dict[str, Certificate] = {}
        absent = []
        for name, manifest in manifests.items():
            folder = RunFolder(self.run).artifact(name)
            if (folder / CERTIFICATE).is_file():
                certificate = self._read(
                    *("certificates", folder / CERTIFICATE, "certify again"),
                    lambda folder=folder: Certificate.of(folder),  # type: ignore[misc]
                )
                if certificate is not None:
                    certificates[name] = certificate
            elif (
                name != PARENT and not ranking.STAGE.match(name) and is_derived(manifest, manifests)
            ):
                absent.append(name)
        if absent:
            artifacts = RunFolder(self.run).artifacts
            self._lacks(
                "certificates",
                f"{_listed(absent)} not certified; certify {_them(absent)} with: paretext certify "
                f"{artifacts / absent[0]} --against {artifacts / PARENT} --eval EVAL.",
            )
        return certificates

    def _comparison(self, manifests: dict[str, Manifest]) -> Comparison | None:
        folder = RunFolder(self.run).comparison
        remedy = f"paretext compare {self.run} --eval EVAL"
        if not (folder / "comparison.json").is_file():
            self._lacks("comparison", f"nothing is measured yet; measure with: {remedy}.")
            return None
        comparison = self._read(
            *("comparison", folder / "comparison.json", f"measure again with: {remedy}"),
            lambda: Comparison.read(folder),
        )
        if comparison is not None:
            measured = [row.version for row in comparison.rows]
            if absent := [name for name in manifests if name not in measured]:
                self._lacks(
                    "comparison",
                    f"{_listed(absent)} not measured; measure all with: {remedy}.",
                )
        return comparison

    def _versions(
        self,
        comparison: Comparison | None,
        manifests: dict[str, Manifest],
        certificates: dict[str, Certificate],
    ) -> tuple[parts.VersionRow, ...]:
        if comparison is None:
            return ()
        versions = []
        for row in ranking.versions(comparison.rows):
            manifest = manifests.get(PARENT if row.version == BASELINE else row.version)
            certificate = certificates.get(row.version)
            verdict = certificate.verdict if certificate else None
            if certificate and manifest and (doubt := doubts(certificate, manifest)):
                verdict = None
                self._lacks(
                    "certificates",
                    f"the certificate of {row.version} proves nothing, since {doubt}; certify it "
                    "again on texts that were held out.",
                )
            if manifest is None and row.certificate:  # the artifact has gone, its row has not
                verdict = row.certificate.verdict
            versions.append(
                measured(
                    row,
                    comparison,
                    architecture=manifest and manifest.architecture,
                    derived=manifest is None or is_derived(manifest, manifests),
                    verdict=verdict,
                )
            )
        return tuple(versions)

    def _flipped(self, certificates: dict[str, Certificate]) -> tuple[parts.Flipped, ...]:
        flipped = []
        for name, certificate in certificates.items():
            flips = certificate.flips
            if flips.file is None:
                continue
            places = [self.run / each / flips.file for each in (CERTIFICATES, ARTIFACTS)]
            there = [each for each in places if each.is_file()]
            path = next((each for each in there if sha256(each) == flips.sha256), None)
            if path is None:
                said = f"{there[0]} was changed" if there else f"{places[0]} is missing"
                artifacts = RunFolder(self.run).artifacts
                self._lacks(
                    "flipped texts",
                    f"{said}, which the certificate of {name} names; certify again with: paretext "
                    f"certify {artifacts / name} --against {artifacts / PARENT} --eval EVAL.",
                )
                continue
            rows: tuple[parts.FlippedText, ...] | None = ()
            if flips.flipped:  # a table without rows is refused
                rows = self._read(
                    *("flipped texts", path, "certify again"),
                    lambda path=path: flipped_texts(path),  # type: ignore[misc]
                )
            flipped.append(
                parts.Flipped(
                    version=name,
                    reference=certificate.reference.name,
                    texts=flips.texts,
                    flipped=flips.flipped,
                    lost=flips.lost,
                    won=flips.won,
                    file=path.relative_to(self.run).as_posix(),
                    shown=rows or (),
                )
            )
        return tuple(flipped)

    def _unfinished(self) -> None:
        """Stages that were begun: what stands in their place, if anything, is from before."""
        places = (
            self.run,
            *(self.run / each for each in (CANDIDATES, CLASSIFIERS, ARTIFACTS)),
        )
        for partial in sorted(path for place in places for path in place.glob("*.partial")):
            name = partial.with_suffix("")
            old = ""
            if name.exists():
                if name.stat().st_mtime > partial.stat().st_mtime:
                    continue  # made by other means since: `paretext compare`
                old = " (what is shown of it is from before)"
            self._lacks(
                "unfinished",
                f"{name.relative_to(self.run).as_posix()} was begun and is not finished{old}; "
                "start the same command again, it goes on where it was.",
            )


def _folders(folder: Path) -> list[Path]:
    """The finished ones: half-made ones end in .partial or begin with a dot."""
    if not folder.is_dir():
        return []
    return sorted(
        each
        for each in folder.iterdir()
        if each.is_dir() and each.suffix != ".partial" and not each.name.startswith(".")
    )


def _listed(names: list[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _them(names: list[str]) -> str:
    return "it" if len(names) == 1 else "them"
