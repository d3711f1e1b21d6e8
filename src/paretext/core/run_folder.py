"""The names inside a run's folder, spelled here and nowhere else.

profile/                  what is in the data
run.json                  the settings, and what was found in the data
held-out.csv              the texts to measure on, where no file of them was given
candidates/NAME/model     a trained classifier, and beside it how it was trained
parent.json               the candidates' scores on the selection split, and who won
ladder.json               which versions were not made, and why
unlabelled.json           how like the labelled texts those without labels are
answers/, teacher/        the parent's answers to texts without labels, and to its students'
classifiers/NAME          PyTorch models of versions that change the model
artifacts/NAME            what gets deployed
certificates/             each version's flipped texts; the certificate is in its artifact
comparison/               the versions measured together
report/                   all of it on one page
search/                   what a search leaves
"""

from __future__ import annotations

from pathlib import Path

RECORDS = ".stages"
"""In every folder that is worked in: what is finished, who works there, what goes on."""
MODEL = "model"
PARENT = "parent"
"""The name of the parent's artifact."""
ARTIFACTS, CANDIDATES, CLASSIFIERS = "artifacts", "candidates", "classifiers"
UNLABELLED, LADDER = "unlabelled.json", "ladder.json"
COMPARISON, PROFILE, REPORT, ANSWERS = "comparison", "profile", "report", "answers"
CERTIFICATES, SETTINGS, CHOSEN, HELD_OUT = "certificates", "run.json", "parent.json", "held-out.csv"
WRITES = (
    *(SETTINGS, CHOSEN, HELD_OUT, UNLABELLED, LADDER, PROFILE, CANDIDATES, CLASSIFIERS, ARTIFACTS),
    *(CERTIFICATES, COMPARISON, REPORT),
)
"""What a job may write into its folder."""


class RunFolder:
    """Where things lie in the run at `root`, there or not."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings, self.chosen = root / SETTINGS, root / CHOSEN
        self.held_out, self.profile = root / HELD_OUT, root / PROFILE
        self.unlabelled, self.ladder = root / UNLABELLED, root / LADDER
        self.answers, self.teacher = root / ANSWERS, root / "teacher"
        self.candidates, self.classifiers = root / CANDIDATES, root / CLASSIFIERS
        self.artifacts, self.certificates = root / ARTIFACTS, root / CERTIFICATES
        self.comparison, self.report = root / COMPARISON, root / REPORT
        self.search = root / "search"

    def artifact(self, name: str = PARENT) -> Path:
        return self.artifacts / name

    def classifier(self, name: str) -> Path:
        return self.classifiers / name

    def candidate(self, name: str) -> Path:
        return self.candidates / name

    def model(self, candidate: str) -> Path:
        """The classifier of a candidate."""
        return model_of(self.candidate(candidate))

    def listed(self) -> list[Path]:
        """What stands in artifacts/, the parent's first; not what is being made."""
        if not self.artifacts.is_dir():
            return []
        folders = [each for each in self.artifacts.iterdir() if each.suffix != ".partial"]
        return sorted(folders, key=lambda each: (each.name != PARENT, each.name))

    def models(self) -> dict[str, Path]:
        """Of every candidate that is trained, by its name."""
        return {each.parent.name: each for each in sorted(self.candidates.glob(f"*/{MODEL}"))}


def model_of(candidate: Path) -> Path:
    """The classifier in a candidate's folder."""
    return candidate / MODEL


def called(classifier: Path) -> str:
    """What a classifier's folder is called: of a candidate's, as the candidate is."""
    whole = classifier.resolve()
    return whole.parent.name if whole.name == MODEL else whole.name
