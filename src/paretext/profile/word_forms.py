"""Word forms: does a class prefer one inflected form of a word to the others?

Where it does ("was loved" is joy, "a love" is not), lemmatising the texts would throw signal away.
For every frequent lemma the table of its forms by class is tested for independence (chi-squared,
Holm-corrected over the lemmas); the strength is Cramér's V with Bergsma's correction of its bias
(2013, "A bias-correction for Cramér's V and Tschuprow's T"), and the form that a class
prefers most is given with Cohen's h = 2 asin(sqrt(p)) - 2 asin(sqrt(q)) (1988, section 6.2).

Words of one text are not independent, so p is a sieve here and V the finding. Lemmas come from
simplemma's dictionaries, offline.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from paretext.measure.proportions import holm_p_values
from paretext.profile.schema import Lemma, Preference, WordForms
from paretext.profile.words import WordCounts

_MOST_WORDS = 20_000
_LEAST_COUNT, _LEAST_OF_FORM = 50, 10
_SHOWN = 30
_CODES = {"no": "nb"}  # simplemma's name where it is not that of the stop words


def word_forms(
    counted: WordCounts, label_names: tuple[str, ...], language: str
) -> WordForms | None:
    """Lemmas whose forms the classes use differently; None if no dictionary has the language."""
    import simplemma
    from simplemma.strategies.dictionaries.dictionary_factory import SUPPORTED_LANGUAGES

    code = _CODES.get(language, language)
    if code not in SUPPORTED_LANGUAGES:
        return None
    words, counts = counted.table(_MOST_WORDS)
    groups: dict[str, list[int]] = {}
    for i, word in enumerate(words):
        if counts[i].sum() >= _LEAST_OF_FORM and not any(map(str.isdigit, word)):
            groups.setdefault(simplemma.lemmatize(word, code).lower(), []).append(i)
    tables = {
        lemma: (rows, counts[rows])
        for lemma, rows in groups.items()
        if len(rows) > 1 and counts[rows].sum() >= _LEAST_COUNT
    }
    tested = [(lemma, rows, table, *association(table)) for lemma, (rows, table) in tables.items()]
    corrected = holm_p_values([p for *_, p in tested])
    lemmas = [
        Lemma(
            lemma=lemma,
            count=int(table.sum()),
            forms={
                words[row]: dict(zip(label_names, map(int, counts[row]), strict=True))
                for row in rows
            },
            v=v,
            p=p,
            preferences=_preferences([words[row] for row in rows], table, label_names),
        )
        for (lemma, rows, table, v, _), p in zip(tested, corrected, strict=True)
        if p < 0.05
    ]
    return WordForms(
        language=language,
        source=f"simplemma {version('simplemma')}",
        tested=len(tested),
        preferring=len(lemmas),
        lemmas=tuple(sorted(lemmas, key=lambda each: (-each.v, each.lemma))[:_SHOWN]),
    )


def association(table: NDArray[np.int64]) -> tuple[float, float]:
    """Cramér's V, bias-corrected, and the p of independence, of a (forms, classes) table."""
    from scipy.stats import chi2_contingency

    table = table[:, table.sum(axis=0) > 0]
    rows, columns = table.shape
    if columns < 2:
        return 0.0, 1.0
    n = table.sum()
    tested = chi2_contingency(table, correction=False)
    phi = max(tested.statistic / n - (rows - 1) * (columns - 1) / (n - 1), 0.0)
    least = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(phi / least)) if least > 0 else 0.0, float(tested.pvalue)


def _preferences(
    forms: list[str], table: NDArray[np.int64], label_names: tuple[str, ...]
) -> tuple[Preference, ...]:
    """Each class's most preferred form, the strongest preference first."""
    preferences = []
    for k, name in enumerate(label_names):
        own, others = table[:, k], table.sum(axis=1) - table[:, k]
        if own.sum() < _LEAST_OF_FORM or others.sum() < _LEAST_OF_FORM:
            continue
        here, there = own / own.sum(), others / others.sum()
        h = 2 * np.arcsin(np.sqrt(here)) - 2 * np.arcsin(np.sqrt(there))
        best = int(np.argmax(h))
        preferences.append(
            Preference(
                label=name,
                form=forms[best],
                share=float(here[best]),
                elsewhere=float(there[best]),
                h=float(h[best]),
            )
        )
    return tuple(sorted(preferences, key=lambda each: -each.h))
