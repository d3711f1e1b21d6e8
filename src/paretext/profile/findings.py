"""The profile in sentences: what was found, and what to do about it.

Limits are rules of thumb, and named here in one place: an imbalance above 3 is worth care (at 10
rare classes are often never predicted), padding above a quarter of a batch is worth sorting for,
more than one text in a hundred cut at the maximum length is worth a longer one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from paretext.core.wording import first_few
from paretext.data.checks import WORST
from paretext.data.stop_words import LANGUAGES
from paretext.profile.schema import Finding, NearDuplicates, Profile, Tokens

_IMBALANCE, _PADDING, _TRUNCATED, _SHORT = 3.0, 0.25, 0.01, 0.5
_FEW = 30
"""Texts of a class below which its recall cannot be told from luck."""
_SHOWN = 6
"""Classes whose words are named in the sentence; the page and the JSON have all."""


_Said = tuple[Literal["fine", "look", "mend"], str, str]
"""How much it matters, what was found, what to do."""


def findings(profile: Profile) -> tuple[Finding, ...]:
    """Every finding, in the order of the page's sections."""
    sections: tuple[tuple[str, Callable[[Profile], Iterator[_Said]]], ...] = (
        ("rows", _bad_rows),
        ("classes", _classes),
        ("lengths", _lengths),
        ("stop words", _stop_words),
        ("distinctive words", _distinctive),
        ("word forms", _word_forms),
        ("repeats", _repeats),
        ("leaks", _leaks),
        ("repeats", _near_repeats),
        ("odd characters", _characters),
        ("languages", _languages),
        ("label errors", _label_errors),
    )
    return tuple(
        Finding(topic=topic, level=level, found=found, do=do)
        for topic, section in sections
        for level, found, do in section(profile)
    )


def _bad_rows(profile: Profile) -> Iterator[_Said]:
    for bad in profile.bad_rows:
        rows = ", ".join(map(str, bad.rows)) + (", ..." if bad.count > len(bad.rows) else "")
        yield (
            "mend",
            f"{bad.split}: {_n(bad.count, 'row')} with {bad.problem} (row {rows}).",
            "Mend them in the file, or leave them out of training with --on-bad-row skip.",
        )


def _classes(profile: Profile) -> Iterator[_Said]:
    classes, rows = profile.classes, profile.classes.classes
    present = [row for row in rows if row.count]
    largest = max(present, key=lambda row: row.count)
    smallest = min(present, key=lambda row: row.count)
    said = (
        f"{largest.label} has {largest.count:,} texts ({largest.share:.1%}), {smallest.label} "
        f"{smallest.count:,} ({smallest.share:.1%}): {classes.imbalance:.1f} to 1."
        if largest.count > smallest.count
        else f"Each of the {len(present):,} labels has {_n(largest.count, 'text')}."
    )
    if classes.imbalance < _IMBALANCE:
        yield "fine", said, "Nothing: the class weights of training are enough."
    elif classes.supersample == "none":
        yield "look", said, "Train with --supersample auto and read macro-F1, not accuracy."
    else:
        yield (
            "look",
            said,
            f"Train with --supersample {classes.supersample}, which leaves "
            f"{classes.imbalance_after:.1f} to 1 for the class weights to level, and read "
            "macro-F1, not accuracy.",
        )
    if empty := [row.label for row in rows if row.count == 0]:
        one = len(empty) == 1
        yield (
            "mend",
            f"No training text has the label {empty[0]}."
            if one
            else f"No training text has {_of(empty, rows)} labels: {first_few(empty, WORST)}.",
            "Add texts of it, or take its name out of the file of --labels."
            if one
            else "Add texts of them, or take their names out of the file of --labels.",
        )
    few = sorted(
        (row.evaluation_count, row.label)
        for row in rows
        if row.evaluation_count is not None and row.count and row.evaluation_count < _FEW
    )
    if few:
        count, label = few[0]
        yield (
            "look",
            f"The evaluation data has {_n(count, 'text')} of {label}."
            if len(few) == 1
            else f"The evaluation data has few texts of {_of(few, rows)} labels: "
            f"{first_few([f'{label} {count:,}' for count, label in few], WORST)}.",
            f"Add some: below about {_FEW} a class's recall cannot be told from luck.",
        )


def _lengths(profile: Profile) -> Iterator[_Said]:
    tokens = profile.tokens
    lengths = tokens.lengths if tokens else profile.words
    if tokens is None:
        yield (
            "look",
            f"A text has {lengths.mean:.1f} words on average, 99% have at most "
            f"{lengths.quantiles['p99']:,}; tokens were not counted.",
            "Name a --model to see how many texts its tokenizer would cut.",
        )
    else:
        said = (
            f"Texts longer than {tokens.max_length} tokens: {tokens.truncated:,} of "
            f"{profile.checks.rows:,} ({tokens.truncated_share:.2%}); 99% have at most "
            f"{lengths.quantiles['p99']:,}."
        )
        yield _about_length(tokens, said)
        if tokens.unknown:
            yield (
                "look",
                f"Tokens that {tokens.model} does not know: {tokens.unknown:,}.",
                "Look for another language or symbols it lacks; a byte-level tokenizer (RoBERTa's) "
                "has no unknown tokens.",
            )
    padded = (
        f"In batches of {lengths.batch_size} drawn at random {lengths.padding_random:.1%} of the "
        f"{lengths.unit} are padding, sorted by length {lengths.padding_sorted:.1%}."
    )
    if lengths.padding_random > _PADDING:
        do = "Sort by length wherever you batch; paretext train and predict do."
        yield "look", padded, do
    else:
        yield "fine", padded, "Nothing: sorting would gain little."


def _about_length(tokens: Tokens, said: str) -> _Said:
    p99, limit = tokens.lengths.quantiles["p99"], tokens.max_length
    if tokens.truncated_share > _TRUNCATED:
        return "look", said, f"Train with --max-length {_round_up(p99)} if the model allows it."
    if p99 < _SHORT * limit:
        do = (
            f"--max-length {_round_up(p99)} would cut next to nothing and bound memory and latency."
        )
        return "fine", said, do[0].upper() + do[1:]
    return "fine", said, f"Keep --max-length {limit}."


def _round_up(length: int) -> int:
    return -(-length // 16) * 16


def _stop_words(profile: Profile) -> Iterator[_Said]:
    stop_words = profile.stop_words
    yield (
        "fine",
        f"{stop_words.per_text:.2f} stop words per text, {stop_words.mean_share:.2%} of a text on "
        f"average ({stop_words.share_of_words:.2%} of all words), by {stop_words.list_name}.",
        "Leave them in for encoders, which read them as context (not is one of them); bag-of-words "
        "models weigh them down by themselves; what removing them does to a model is measured by: "
        "paretext ablate --remove-stop-words.",
    )
    if stop_words.only:
        yield (
            "look",
            f"{_n(stop_words.only, 'text')} would be empty without stop words.",
            "Do not remove stop words from this data, or drop these texts first.",
        )


def _distinctive(profile: Profile) -> Iterator[_Said]:
    by_class, rows = profile.distinctive.by_class, profile.classes.classes
    alike = [row.label for row in rows if row.count and not by_class.get(row.label)]
    if alike:
        yield (
            "look",
            f"No word sets {alike[0]} apart."
            if len(alike) == 1
            else f"No word sets {_of(alike, rows)} labels apart: {first_few(alike, WORST)}.",
            "Read some of its texts: the label may be vague, or hang on more than words."
            if len(alike) == 1
            else "Read some of their texts: the labels may be vague, or hang on more than words.",
        )
    listed = "; ".join(
        f"{label}: {', '.join(word.word for word in words[:3])}"
        for label, words in list(by_class.items())[:_SHOWN]
        if words
    )
    if listed:
        yield (
            "fine",
            f"The words that set classes apart most: {listed}.",
            "Look for words that give the label away (names, hashtags, markers of the source); a "
            "model will lean on them, so take them out if new texts will not have them.",
        )
    if profile.distinctive.forgotten:
        yield (
            "look",
            f"{profile.distinctive.forgotten:,} words of rare kinds were dropped from the table.",
            "Nothing for the frequent words; look whether texts hold identifiers or addresses.",
        )


def _word_forms(profile: Profile) -> Iterator[_Said]:
    forms = profile.word_forms
    if forms is None:
        yield (
            "look",
            f"No dictionary of lemmas has the language {profile.settings.language}.",
            "Name another --language if the texts are in another one.",
        )
    elif not forms.lemmas:
        yield (
            "fine",
            f"None of {forms.tested} frequent lemmas has a form that a class prefers.",
            "Nothing: lemmatising would cost no signal here.",
        )
    else:
        top = forms.lemmas[0]
        # With many classes none may use the lemma often enough for a preference of its own.
        best = "".join(f" (as {own.label} does {own.form})" for own in top.preferences[:1])
        yield (
            "fine",
            f"Classes prefer forms of {forms.preferring} of {forms.tested} frequent lemmas, most "
            f"of all of {top.lemma}{best}, Cramér's V {top.v:.2f}.",
            "Do not lemmatise or stem the texts: the forms carry part of the label.",
        )


def _repeats(profile: Profile) -> Iterator[_Said]:
    checks = profile.checks
    if checks.duplicate_texts:
        yield (
            "look",
            f"Rows that repeat the text of an earlier one: {checks.duplicate_texts:,} of "
            f"{checks.rows:,}.",
            "Keep one row of each, unless a text shall count as often as it is said.",
        )
    if checks.conflicting_texts:
        yield (
            "mend",
            f"Training texts that stand with two or more labels: {checks.conflicting_texts:,}.",
            "Decide on one label each, or drop them; nobody can answer both.",
        )


def _leaks(profile: Profile) -> Iterator[_Said]:
    checks, near = profile.checks, profile.near_duplicates
    if checks.leaked_texts and checks.evaluation:
        share = checks.leaked_texts / checks.evaluation.rows
        yield (
            "mend",
            f"Evaluation texts that also stand in training: {checks.leaked_texts:,} ({share:.2%}).",
            "Use --drop-leaks, which leaves them out of the measurement.",
        )
    if near.leaks:
        yield (
            "look",
            f"Evaluation texts that nearly repeat a training text{_among(near)}: {near.leaks:,}.",
            "Read the pairs; drop those that are the same text from the evaluation file.",
        )


def _near_repeats(profile: Profile) -> Iterator[_Said]:
    checks, near = profile.checks, profile.near_duplicates
    if near.rows:
        yield (
            "look",
            f"Training texts that nearly repeat an earlier one{_among(near)}: {near.rows:,}, of "
            f"them {near.other_labels:,} with another label.",
            "Read the pairs: keep one of each group, or hold whole groups out together with "
            "--selection.",
        )
    if not (checks.duplicate_texts or near.rows or checks.leaked_texts or near.leaks):
        yield "fine", f"Every text stands once{_among(near)}.", "Nothing needs to be done."


def _among(near: NearDuplicates) -> str:
    return f" among a sample of {near.texts:,}" if near.sampled else ""


def _characters(profile: Profile) -> Iterator[_Said]:
    remedies = {
        "control": "Strip them before training and before predicting alike.",
        "replacement": "Export the data again with the right encoding; what was lost stays lost.",
        "mojibake": "Mend them with ftfy.fix_text, or export the data again as UTF-8.",
        "mixed scripts": "Look for letters that imitate others (spam does); normalise them.",
    }
    for odd in profile.odd_characters:
        yield (
            "look",
            f"{_n(odd.count, 'text')} with {odd.meaning}, first in row {odd.examples[0].row}.",
            remedies[odd.kind],
        )
    if not profile.odd_characters:
        yield "fine", "No odd characters.", "Nothing needs to be done."


def _languages(profile: Profile) -> Iterator[_Said]:
    language = profile.settings.language
    if not profile.other_languages:
        yield (
            "fine",
            f"No text looks like another language than {language}.",
            "Nothing needs to be done.",
        )
        return
    listed = ", ".join(f"{each.guess} {each.count:,}" for each in profile.other_languages[:6])
    total = sum(each.count for each in profile.other_languages)
    many = total > profile.checks.rows / 2
    yield (
        "look",
        f"Of {profile.checks.rows:,} texts {total:,} may be in another language than {language} "
        f"({listed}).",
        f"Give the right --language; where it is none of {', '.join(LANGUAGES)}, read nothing into "
        "what is said of stop words and word forms."
        if many
        else "Read them; drop them, or take a multilingual --model if they are meant to be there.",
    )


def _label_errors(profile: Profile) -> Iterator[_Said]:
    errors = profile.label_errors
    if errors is None:
        yield (
            "look",
            "Fewer than two classes have 5 distinct texts, or these share no word: too few to look "
            "for label errors.",
            "Add texts.",
        )
        return
    if errors.too_weak:
        yield (
            "look",
            f"No label is doubted: the linear baseline that would do it is near chance, with "
            f"{errors.macro_f1:.3f} macro-F1 out of fold.",
            "Add texts: so few hardly tell the classes apart.",
        )
        return
    sample = "a sample of " if errors.sampled else ""
    share = errors.candidates / errors.texts
    yield (
        "look" if errors.candidates else "fine",
        f"{_n(errors.candidates, 'text')} of {sample}{errors.texts:,} ({share:.1%}) may carry a "
        f"wrong label, by a linear baseline of {errors.macro_f1:.3f} macro-F1 out of fold.",
        "Read the most confident ones and mend those that you disagree with; the rest is "
        "where that baseline errs."
        if errors.candidates
        else "Nothing: the baseline agrees with the labels.",
    )


def _of(some: Sequence[object], every: Sequence[object]) -> str:
    return f"{len(some):,} of {len(every):,}"


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
