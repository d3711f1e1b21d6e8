"""The profile as it is stored: `profile.json`, format version 1.

Shares are between 0 and 1. Rows are counted from 1, the header not included; texts are cut at 300
characters. What was counted on a sample says so and names its size.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from paretext.core.settings import Settings
from paretext.data.checks import DataReport
from paretext.training.settings import Supersample

SHOWN_CHARACTERS = 300


def shown(text: str) -> str:
    """A text as the profile keeps it: whole, or its beginning."""
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProfileSettings(Settings):
    """What to count, and with what. language: ISO 639-1; model: None counts words only."""

    model_config = ConfigDict(title="What is counted")

    model: str | None = Field(
        None, title="NAME", description="Hub id or folder whose tokens are counted."
    )
    max_length: int = Field(default=128, ge=2, description="Longest input in tokens.")
    batch_size: int = Field(default=32, ge=1, description="Texts per batch, for the padding.")
    supersample: Supersample = Field(
        default="auto",
        title="COPIES",
        description="Copies of each class's texts: 1,1,4,2,3,8 or auto.",
    )
    language: str = Field(
        default="en", title="NAME", description="Of stop words and lemmas, as ISO code."
    )
    seed: int = Field(default=0, description="Seed of samples and folds.")
    near_duplicates_sample: int = Field(default=100_000, ge=2)
    """Most texts, of both splits together, that are compared with each other."""
    label_errors_sample: int = Field(default=30_000, ge=100)
    """Most training texts that the out-of-fold baseline reads."""


class NumberedText(_Part):
    """A text and where it stands."""

    row: int
    text: str


class BadRows(_Part):
    """Rows that cannot be used, of one kind."""

    split: str
    problem: str
    count: int
    rows: tuple[int, ...]
    """The first 5."""


class ClassCount(_Part):
    label: str
    count: int
    share: float
    copies: int
    """How often supersampling uses each of its texts."""
    count_after: int
    share_after: float
    weight: float
    """In the loss, after supersampling."""
    evaluation_count: int | None


class Classes(_Part):
    supersample: str
    imbalance: float
    """Texts of the largest class for each text of the smallest that has any."""
    imbalance_after: float
    classes: tuple[ClassCount, ...]


class Bin(_Part):
    """Texts of low <= length < high."""

    low: int
    high: int
    count: int


class ClassLength(_Part):
    label: str
    mean: float
    median: int
    p95: int


class Lengths(_Part):
    """Of the training texts, in words or in tokens of a model."""

    unit: Literal["words", "tokens"]
    mean: float
    quantiles: dict[str, int]
    """min, p5, p25, p50, p75, p95, p99, max."""
    histogram: tuple[Bin, ...]
    by_class: tuple[ClassLength, ...]
    batch_size: int
    padding_random: float
    """Expected share of padding when batches are drawn at random and padded to their longest."""
    padding_sorted: float
    """The same when texts of similar length share a batch."""


class Tokens(_Part):
    """Lengths in tokens of a model, special tokens included."""

    model: str
    max_length: int
    lengths: Lengths
    """Before anything is cut; padding counts texts as cut at max_length."""
    truncated: int
    """Texts longer than max_length."""
    truncated_share: float
    unknown: int
    """Tokens that stand for what the tokenizer cannot write."""


class StopWords(_Part):
    """How many of the words are on a list."""

    language: str
    list_name: str
    words_in_list: int
    per_text: float
    share_of_words: float
    """Stop words by all words."""
    mean_share: float
    """Mean over the texts of each text's share; what the reference study reports."""
    only: int
    """Texts of which nothing would be left without stop words."""
    by_class: dict[str, float]
    """mean_share of each class."""


class DistinctiveWord(_Part):
    word: str
    count: int
    """In the class."""
    elsewhere: int
    log_odds: float
    """Log odds ratio of the word, in the class against all others, shrunk by the prior."""
    z: float
    """The same in standard errors."""


class Distinctive(_Part):
    words: int
    """All words counted."""
    distinct: int
    prior_words: int
    """Weight of the prior: as if so many words of the whole data had been seen in each class."""
    forgotten: int
    """Words of rare kinds that were dropped from the table to bound its memory."""
    by_class: dict[str, tuple[DistinctiveWord, ...]]


class Preference(_Part):
    """The form of a lemma that a class prefers most."""

    label: str
    form: str
    share: float
    """Of the lemma's forms in the class."""
    elsewhere: float
    """Of the lemma's forms in all other classes."""
    h: float
    """Cohen's h of the two shares."""


class Lemma(_Part):
    lemma: str
    count: int
    forms: dict[str, dict[str, int]]
    """Form -> class -> count."""
    v: float
    """Cramér's V, bias-corrected: 0 no preference, 1 each class its own form."""
    p: float
    """Of the chi-squared test of independence, Holm-corrected over all lemmas tested."""
    preferences: tuple[Preference, ...]


class WordForms(_Part):
    language: str
    source: str
    """The lemmatiser and its version."""
    tested: int
    """Lemmas with two frequent forms or more."""
    preferring: int
    """Those of them with p < 0.05."""
    lemmas: tuple[Lemma, ...]
    """The 30 strongest of these."""


class Conflict(_Part):
    """A text that stands with two or more labels."""

    text: str
    labels: dict[str, tuple[int, ...]]
    """Label -> its first 20 rows."""


class NearPair(_Part):
    first: NumberedText
    first_split: str
    first_label: str
    second: NumberedText
    second_split: str
    second_label: str
    similarity: float


class NearDuplicates(_Part):
    """Distinct texts whose first 2,000 characters share nearly all their runs of 5."""

    texts: int
    sampled: bool
    threshold: float
    """Least Jaccard similarity of the sets of runs."""
    groups: int
    rows: int
    """Training texts that are near an earlier one."""
    other_labels: int
    """Those of them whose label differs from that one's."""
    leaks: int
    """Evaluation texts that are near a training text and not the same."""
    examples: tuple[NearPair, ...]


class OddCharacters(_Part):
    kind: str
    meaning: str
    count: int
    examples: tuple[NumberedText, ...]


class OtherLanguage(_Part):
    guess: str
    count: int
    examples: tuple[NumberedText, ...]


class LabelError(_Part):
    row: int
    text: str
    label: str
    likely: str
    probability: float
    """Of the label, out of fold."""
    probability_likely: float


class LabelErrors(_Part):
    texts: int
    """Distinct texts that were read."""
    sampled: bool
    too_weak: bool = False
    """The baseline is so near chance that it doubts no label."""
    macro_f1: float
    """Of the baseline, out of fold."""
    candidates: int
    by_class: dict[str, int]
    """Label -> candidates that carry it."""
    most_confident: tuple[LabelError, ...]


class Finding(_Part):
    """One sentence of what was found and one of what to do about it."""

    topic: str
    level: Literal["fine", "look", "mend"]
    found: str
    do: str


class Profile(_Part):
    """What is in the data."""

    format_version: Literal[1] = 1
    settings: ProfileSettings
    checks: DataReport
    """Rows, fingerprints, repeats, conflicts and exact leaks."""
    bad_rows: tuple[BadRows, ...]
    classes: Classes
    words: Lengths
    tokens: Tokens | None
    stop_words: StopWords
    distinctive: Distinctive
    word_forms: WordForms | None
    """None where the lemmatiser does not know the language."""
    conflicts: tuple[Conflict, ...]
    """The first 20."""
    near_duplicates: NearDuplicates
    odd_characters: tuple[OddCharacters, ...]
    other_languages: tuple[OtherLanguage, ...]
    label_errors: LabelErrors | None
    """None where fewer than two classes have 5 distinct texts."""
    findings: tuple[Finding, ...] = ()
