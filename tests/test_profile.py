"""Each statistic of the profile against a second route: numpy, scipy, sklearn, brute force."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import toy

from paretext.core.errors import ParetextError
from paretext.data.dataset import Dataset, read_label_names
from paretext.data.stop_words import LANGUAGES, stop_words
from paretext.data.stream import open_labelled
from paretext.data.words import tokens_of, words_of
from paretext.profile import Profile, ProfileSettings, profile
from paretext.profile import label_errors as doubting
from paretext.profile.characters import kinds_of
from paretext.profile.classes import classes
from paretext.profile.distinctive import log_odds
from paretext.profile.languages import LanguageGuesses
from paretext.profile.lengths import LengthCounts, padding_random, padding_sorted
from paretext.profile.near_duplicates import jaccard, near, plainly
from paretext.profile.stop_words import StopWordCounts
from paretext.profile.word_forms import association, word_forms
from paretext.profile.words import WordCounts

pytest.importorskip("sklearn")

EMOTION = Path(__file__).parents[2] / "shared" / "data" / "emotion"
TOY = toy.dataset(240)


# --- classes


@pytest.mark.parametrize("supersample", [None, "auto", (2, 1, 3)])
def test_classes_are_counted_before_and_after_supersampling(supersample: object) -> None:
    from sklearn.utils.class_weight import compute_class_weight

    from paretext.data.balance import supersampled

    settings = ProfileSettings(supersample=supersample)
    balance = classes(TOY.counts(), None, TOY.label_names, settings)
    after = TOY.labels[supersampled(TOY, settings.supersample)]
    weights = compute_class_weight("balanced", classes=np.arange(3), y=after)
    for k, row in enumerate(balance.classes):
        assert row.count == (TOY.labels == k).sum()
        assert row.count_after == (after == k).sum() == row.count * row.copies
        assert row.weight == pytest.approx(weights[k], rel=1e-6)
        assert row.share_after == pytest.approx((after == k).mean())
    assert balance.imbalance == 3.0
    assert balance.imbalance_after == max(Counter(after).values()) / min(Counter(after).values())


def test_a_label_without_texts_leaves_the_imbalance_of_the_others() -> None:
    balance = classes(np.array([30, 0, 10]), None, ("a", "b", "c"), ProfileSettings())
    assert balance.imbalance == 3.0
    assert balance.classes[1].count_after == 0
    with pytest.raises(ParetextError, match="2 factors and the data has 3 labels"):
        classes(np.array([3, 1, 1]), None, ("a", "b", "c"), ProfileSettings(supersample=(1, 2)))


# --- lengths


def test_lengths_are_numpys() -> None:
    generator = np.random.default_rng(0)
    lengths, labels = generator.integers(1, 60, 500), generator.integers(0, 2, 500)
    counts = LengthCounts(2)
    for part in np.array_split(np.arange(500), 7):
        counts.add(lengths[part].tolist(), labels[part])
    figures = counts.lengths("words", ("a", "b"), 32)
    assert figures.mean == pytest.approx(lengths.mean())
    for name, share in {"p5": 5, "p25": 25, "p50": 50, "p95": 95, "p99": 99}.items():
        assert figures.quantiles[name] == np.percentile(lengths, share, method="inverted_cdf")
    assert (figures.quantiles["min"], figures.quantiles["max"]) == (lengths.min(), lengths.max())
    assert counts.longer(40) == (lengths > 40).sum()
    assert figures.by_class[1].mean == pytest.approx(lengths[labels == 1].mean())
    for each in figures.histogram:
        assert each.count == ((lengths >= each.low) & (lengths < each.high)).sum()
    assert sum(each.count for each in figures.histogram) == 500


@pytest.mark.parametrize("lengths", [[3], [5, 5, 5], [1, 1000], [1, 2, 3, 10**6]])
def test_a_histogram_holds_every_text(lengths: list[int]) -> None:
    counts = LengthCounts(1)
    counts.add(lengths, np.zeros(len(lengths), np.int64))
    figures = counts.lengths("words", ("a",), 2)
    assert sum(each.count for each in figures.histogram) == len(lengths)
    assert figures.histogram[-1].high > max(lengths) >= figures.histogram[-1].low


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 8])
def test_random_padding_is_the_mean_over_all_orders(batch_size: int) -> None:
    lengths = [1, 1, 2, 4, 9]
    values, counts = np.unique(lengths, return_counts=True)
    sizes = []
    for order in itertools.permutations(lengths):
        batches = [order[i : i + batch_size] for i in range(0, 5, batch_size)]
        sizes.append(sum(max(batch) * len(batch) for batch in batches))
    assert padding_random(values, counts, batch_size) == pytest.approx(1 - 17 / np.mean(sizes))


@pytest.mark.parametrize("batch_size", [1, 3, 32, 1000])
def test_padding_agrees_with_batches_that_were_made(batch_size: int) -> None:
    generator = np.random.default_rng(1)
    lengths = generator.lognormal(2.5, 0.6, 700).astype(int) + 1
    values, counts = np.unique(lengths, return_counts=True)

    def padded(order: np.ndarray) -> float:
        batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
        return 1 - lengths.sum() / sum(batch.max() * len(batch) for batch in batches)

    assert padding_sorted(values, counts, batch_size) == pytest.approx(padded(np.sort(lengths)))
    drawn = [padded(generator.permutation(lengths)) for _ in range(300)]
    assert padding_random(values, counts, batch_size) == pytest.approx(np.mean(drawn), abs=0.004)


# --- stop words


def test_stop_words_are_counted_as_by_hand() -> None:
    texts = ["I am the best.", "“The”, and — don’t!", "wow ...", "!!!"]
    assert [words_of(text) for text in texts] == [
        ["i", "am", "the", "best"],
        ["the", "and", "don't"],
        ["wow"],
        [],
    ]
    counts = StopWordCounts("en", 2)
    shares = counts.add([words_of(text) for text in texts], np.array([0, 0, 1, 1]))
    assert shares.tolist() == [0.75, 1.0, 0.0, 0.0]
    figures = counts.result(("a", "b"))
    assert (figures.per_text, figures.share_of_words) == (6 / 4, 6 / 8)
    assert figures.mean_share == 1.75 / 4
    assert figures.only == 2  # "The, and don't", and the text without any word
    assert figures.by_class == {"a": 0.875, "b": 0.0}
    assert figures.words_in_list == 179
    assert "NLTK" in figures.list_name


def test_an_unknown_language_lists_those_there_are() -> None:
    assert all(len(stop_words(code)) > 50 for code in LANGUAGES)
    with pytest.raises(ParetextError, match=r"'tlh' has no list of stop words here.*da, de, en"):
        stop_words("tlh")


@pytest.mark.skipif(not EMOTION.exists(), reason="the emotion data is not here")
def test_the_emotion_data_has_the_studys_stop_words() -> None:
    names = read_label_names(EMOTION / "labels.txt")
    data = Dataset.read(EMOTION / "train.csv", label_names=names)
    counts = StopWordCounts("en", 6)
    counts.add([words_of(text) for text in data.texts], data.labels)
    figures = counts.result(names)
    assert figures.per_text == pytest.approx(9.81, rel=0.02)
    assert figures.mean_share == pytest.approx(0.4922, rel=0.02)


# --- words


def test_word_counts_are_scikit_learns() -> None:
    from sklearn.feature_extraction.text import CountVectorizer

    counts = WordCounts(3)
    for texts, labels in TOY.chunks(50):
        counts.add(list(map(words_of, texts)), labels)
    vectorizer = CountVectorizer(token_pattern=r"(?u)\b\w+\b")
    expected = vectorizer.fit_transform(TOY.texts).toarray()
    words, table = counts.table(10_000)
    assert set(words) == set(vectorizer.vocabulary_)
    for word, row in zip(words, table, strict=True):
        own = expected[:, vectorizer.vocabulary_[word]]
        assert row.tolist() == [own[TOY.labels == k].sum() for k in range(3)]
    assert counts.totals.sum() == table.sum() == expected.sum()
    assert table.sum(axis=1).tolist() == sorted(table.sum(axis=1).tolist(), reverse=True)


def test_a_table_that_is_full_forgets_rare_words_and_says_how_many() -> None:
    generator = random.Random(0)
    texts = [f"common word{generator.random()} frequent" for _ in range(500)]
    counts = WordCounts(1, most_entries=40)
    for text in texts:
        counts.add([text.split()], np.array([0]))
    assert len(counts.counts[0]) <= 40
    assert counts.counts[0]["common"] == counts.counts[0]["frequent"] == 500
    assert counts.forgotten + counts.counts[0].total() == counts.totals[0]


def test_log_odds_are_those_of_the_paper() -> None:
    counts = np.array([[30, 10, 0], [5, 50, 45], [100, 100, 100], [1, 0, 0]])
    totals, prior_words = np.array([400, 500, 300]), 100
    deltas, scores = log_odds(counts, totals, prior_words)
    for w, k in itertools.product(range(4), range(3)):
        prior = prior_words * counts[w].sum() / totals.sum()
        here, n = counts[w, k] + prior, totals[k] + prior_words
        there = counts[w].sum() - counts[w, k] + prior
        m = totals.sum() - totals[k] + prior_words
        delta = math.log(here / (n - here)) - math.log(there / (m - there))
        assert deltas[w, k] == pytest.approx(delta)
        assert scores[w, k] == pytest.approx(delta / math.sqrt(1 / here + 1 / there))


def test_the_words_that_decide_the_toy_set_its_classes_apart() -> None:
    by_class = profile(TOY).distinctive.by_class
    assert {each.word for each in by_class["joy"][:3]} == {"happy", "glad", "cheerful"}
    assert {each.word for each in by_class["fear"][:3]} == {"scared", "afraid", "nervous"}
    assert all(each.z >= 1.96 for own in by_class.values() for each in own)


# --- word forms


def test_association_is_scipys_with_the_bias_taken_out() -> None:
    from scipy.stats import chi2_contingency
    from scipy.stats.contingency import association as cramer

    table = np.array([[900, 100, 0], [150, 800, 0]])
    v, p = association(table)
    assert p == chi2_contingency(table[:, :2], correction=False).pvalue
    assert v == pytest.approx(cramer(table[:, :2], method="cramer"), abs=1e-3)  # n is large
    generator = np.random.default_rng(0)
    unrelated = [generator.multinomial(60, np.full(12, 1 / 12)).reshape(2, 6) for _ in range(200)]
    plain = np.mean([cramer(each, method="cramer") for each in unrelated])
    corrected = np.mean([association(each)[0] for each in unrelated])
    assert corrected < plain / 2


def test_a_class_that_prefers_a_form_is_found() -> None:
    pytest.importorskip("simplemma")
    counts = WordCounts(2)
    texts = ["we loved it"] * 60 + ["a love of it"] * 15 + ["a love of it"] * 70 + ["we loved"] * 5
    texts += ["houses and a house"] * 100
    labels = np.array([0] * 75 + [1] * 75 + [0, 1] * 50)
    counts.add([text.split() for text in texts], labels)
    forms = word_forms(counts, ("past", "noun"), "en")
    assert forms is not None
    assert [each.lemma for each in forms.lemmas] == ["love"]
    assert forms.tested == 2
    lemma = forms.lemmas[0]
    assert lemma.forms == {"love": {"past": 15, "noun": 70}, "loved": {"past": 60, "noun": 5}}
    best = {each.label: each for each in lemma.preferences}["past"]
    assert (best.form, best.share, best.elsewhere) == ("loved", 60 / 75, 5 / 75)
    h = 2 * math.asin(math.sqrt(60 / 75)) - 2 * math.asin(math.sqrt(5 / 75))
    assert best.h == pytest.approx(h)
    assert word_forms(counts, ("past", "noun"), "zh") is None


# --- near duplicates


def test_near_duplicates_are_those_of_all_pairs() -> None:
    generator = random.Random(3)
    words = [f"{a}{b}" for a in ("ka", "to", "mi", "re", "su", "no") for b in ("ra", "li", "pen")]
    texts = [" ".join(generator.choices(words, k=12)) for _ in range(120)]
    texts += [text + " indeed" for text in texts[:10]]
    texts += [text.upper() + "!!" for text in texts[20:25]]
    texts += [text.replace(" ", ", ", 1) for text in texts[30:33]]
    texts += ["", "a", "b", "!!", "日本語のとても長い文章です", "日本語のとても長い文章です。"]
    plain = [plainly(text) for text in texts]
    expected = {
        (i, j)
        for i, j in itertools.combinations(range(len(texts)), 2)
        if jaccard(plain[i], plain[j]) >= 0.8
    }
    duplicates = near(texts, seed=0)
    pairs = {(int(i), int(j)) for i, j in duplicates.pairs}
    assert pairs <= expected
    assert len(expected) >= 18
    for i, j in expected:
        assert duplicates.group[i] == duplicates.group[j]
    distinct = len(texts) - len(set(duplicates.group.tolist()))
    assert distinct == len({j for _, j in expected})
    for (i, j), similarity in zip(duplicates.pairs.tolist(), duplicates.similarity, strict=True):
        assert similarity == jaccard(plain[i], plain[j])


def test_near_leaks_and_other_labels_are_counted() -> None:
    base = [f"{text} and that was all there was to say about it" for text in TOY.texts]
    near_by = base[0].replace("all there", "all that there")
    data = Dataset(
        (*base, near_by, base[1] + "!", base[2]),
        np.append(TOY.labels, [(TOY.labels[0] + 1) % 3, TOY.labels[1], TOY.labels[2]]),
        TOY.label_names,
    )
    held = Dataset((base[5] + ".", base[7], "something else"), np.array([0, 1, 2]), TOY.label_names)
    assert max(itertools.starmap(jaccard, itertools.combinations(map(plainly, base), 2))) < 1
    alone = profile(Dataset(tuple(base), TOY.labels, TOY.label_names)).near_duplicates
    duplicates = profile(data, held).near_duplicates
    assert not duplicates.sampled
    assert duplicates.rows == alone.rows + 2
    assert duplicates.other_labels == alone.other_labels + 1
    # the second held text is the same as a training text: no near leak
    assert duplicates.leaks == 1
    assert duplicates.examples[0].second.text == base[5] + "."


# --- characters and languages


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("plain text, with (signs) & more", []),
        ("naïve café — “quoted” … 日本語 Привет 👩‍👧 ❤️", []),
        ("tab\tand\nline", []),
        ("bell\x07", ["control"]),
        ("zero\u200bwidth", ["control"]),
        ("turned \u202eround", ["control"]),
        ("lost \ufffd byte", ["replacement"]),
        ("cafÃ© is dÃ©jÃ\xa0 vu", ["mojibake"]),
        ("donâ€™t", ["mojibake"]),
        ("pаypal", ["mixed scripts"]),  # the a is Cyrillic
    ],
)
def test_odd_characters(text: str, kinds: list[str]) -> None:
    pytest.importorskip("ftfy")
    assert kinds_of(text) == kinds


def test_texts_in_other_languages_are_guessed() -> None:
    texts = {
        "i really do not know what to say about this": None,
        "das ist nicht das was ich von dir wollte": "de",
        "je ne sais pas ce que tu veux dire avec ça": "fr",
        "el perro no está en la casa de mi madre": "es",
        "я не знаю что сказать": "cyrillic script",
        "これは日本語の文章です": "hiragana script",
        "wow amazing": None,
        "lol omg wtf brb thx gg": None,
    }
    guesses = LanguageGuesses("en")
    words = [words_of(text) for text in texts]
    shares = np.array([np.mean([word in guesses.expected for word in own]) for own in words])
    guesses.add(list(texts), words, shares, 0)
    guessed = {
        text: each.guess
        for each in guesses.result(Dataset(tuple(texts), np.array([0, 1] * 4), ("a", "b")))
        for text in [row.text for row in each.examples]
    }
    assert guessed == {text: guess for text, guess in texts.items() if guess}


# --- label errors


def test_out_of_fold_probabilities_are_cross_val_predicts() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    probabilities = doubting.out_of_fold(list(TOY.texts), TOY.labels, 3, seed=4)
    model = make_pipeline(
        TfidfVectorizer(
            ngram_range=(1, 2), sublinear_tf=True, tokenizer=tokens_of, token_pattern=None
        ),
        LogisticRegression(C=20.0, max_iter=60),
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=4)
    expected = cross_val_predict(
        model, list(TOY.texts), TOY.labels, cv=folds, method="predict_proba"
    )
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_the_confident_joint_is_that_of_the_paper() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.full(4, 0.5), 200)
    labels = generator.integers(0, 3, 200)  # class 3 has no texts
    thresholds = {k: probabilities[labels == k, k].mean() for k in range(3)}
    expected = {}
    for i in range(200):
        reached = [k for k in range(3) if probabilities[i, k] >= thresholds[k]]
        if reached:
            likely = max(reached, key=lambda k: probabilities[i, k])
            if likely != labels[i]:
                expected[i] = likely
    candidates, likely = doubting.confident(probabilities, labels)
    assert dict(zip(candidates.tolist(), likely.tolist(), strict=True)) == expected


def test_flipped_labels_are_found_and_ranked() -> None:
    labels = TOY.labels.copy()
    flipped = np.random.default_rng(0).choice(len(TOY), 12, replace=False)
    labels[flipped] = (labels[flipped] + 1) % 3
    label_errors = profile(Dataset(TOY.texts, labels, TOY.label_names)).label_errors
    assert label_errors is not None
    suspects = {each.row - 1: each.likely for each in label_errors.most_confident[:12]}
    assert len(suspects.keys() & set(flipped.tolist())) >= 11
    for row in suspects.keys() & set(flipped.tolist()):
        assert suspects[row] == TOY.label_names[TOY.labels[row]]
    margins = [each.probability - each.probability_likely for each in label_errors.most_confident]
    assert margins == sorted(margins)
    assert sum(label_errors.by_class.values()) == label_errors.candidates


# --- the whole


def test_a_profile_survives_json() -> None:
    data_profile = profile(TOY, toy.dataset(30, seed=1), ProfileSettings(supersample="1,2,1"))
    assert Profile.model_validate_json(data_profile.model_dump_json()) == data_profile
    assert data_profile.format_version == 1
    assert all(each.found.endswith(".") and each.do.endswith(".") for each in data_profile.findings)


def test_a_stream_has_the_profile_of_its_dataset(tmp_path: Path) -> None:
    """One pass a part at a time against texts in memory, cut into parts of another size."""
    rows = [*toy.texts_and_labels(200), ("cafÃ© au lait", "joy"), toy.texts_and_labels(1)[0]]
    path = toy.write(tmp_path / "rows.csv", [*rows, (rows[0][0], "sad")])
    held = toy.write(tmp_path / "held.csv", [*toy.texts_and_labels(40, seed=2), rows[3]])

    class Small(Dataset):
        def chunks(self, size: int = 17):  # type: ignore[no-untyped-def]
            return super().chunks(size)

    streams = [open_labelled(each) for each in (path, held)]
    read = [Dataset.read(each) for each in (path, held)]
    parts = [Small(each.texts, each.labels, each.label_names, each.name) for each in read]
    streamed = profile(*streams)
    assert streamed == profile(*read)
    other = profile(*parts)
    assert other.stop_words.by_class == pytest.approx(streamed.stop_words.by_class, abs=1e-12)
    shares = {"mean_share", "by_class"}  # sums of fractions, whose last bit depends on the parts
    exact = [each.model_dump(exclude={"stop_words": shares}) for each in (streamed, other)]
    assert exact[0] == exact[1]
    assert streamed.checks.leaked_texts == 1
    assert streamed.conflicts[0].labels == {"joy": (1, 202), "sad": (203,)}


def test_a_sample_is_named_with_its_size() -> None:
    settings = ProfileSettings(near_duplicates_sample=100, label_errors_sample=120)
    data_profile = profile(TOY, toy.dataset(90, seed=1), settings)
    assert data_profile.near_duplicates.sampled
    assert data_profile.near_duplicates.texts == 100
    assert data_profile.label_errors is not None
    assert data_profile.label_errors.sampled
    assert data_profile.label_errors.texts == 120
    assert any("a sample of 120" in each.found for each in data_profile.findings)


@pytest.mark.parametrize(
    ("data", "settings", "said"),
    [
        (toy.dataset(60).take(toy.dataset(60).labels == 1), {}, "all 30 texts have the label"),
        (toy.dataset(60), {"language": "xx"}, "the known ones are da, de, en"),
        (toy.dataset(60), {"model": "/nowhere/at/all"}, "there is no model folder"),
        (toy.dataset(60), {"supersample": (1, 2)}, "2 factors"),
        (Dataset(("!!", "??"), np.array([0, 1]), ("a", "b")), {}, "no word is left"),
    ],
)
def test_what_cannot_be_profiled_is_said(
    data: Dataset, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ParetextError, match=said):
        profile(data, None, ProfileSettings(**settings))


def test_a_baseline_near_chance_doubts_no_label() -> None:
    shuffled = np.random.default_rng(1).permutation(TOY.labels)
    data_profile = profile(Dataset(TOY.texts, shuffled, TOY.label_names))
    assert data_profile.label_errors is not None
    assert data_profile.label_errors.macro_f1 < 0.5
    assert (data_profile.label_errors.candidates, data_profile.label_errors.most_confident) == (
        0,
        (),
    )
    assert any(each.found.startswith("No label is doubted") for each in data_profile.findings)


def test_too_few_texts_for_label_errors_are_said() -> None:
    data = Dataset(("one text", "and another", "a third"), np.array([0, 1, 1]), ("a", "b"))
    data_profile = profile(data)
    assert data_profile.label_errors is None
    assert any("too few" in each.found for each in data_profile.findings)


def test_tokens_are_those_of_the_tokenizer(encoder, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from transformers import AutoTokenizer

    folder = encoder("roberta")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lengths = np.array([len(tokenizer(text)["input_ids"]) for text in TOY.texts])
    limit = int(np.median(lengths))
    tokens = profile(TOY, None, ProfileSettings(model=str(folder), max_length=limit)).tokens
    assert tokens is not None
    assert tokens.lengths.mean == pytest.approx(lengths.mean())
    assert tokens.truncated == (lengths > limit).sum() > 0
    cut = np.sort(np.minimum(lengths, limit))
    size = sum(batch.max() * len(batch) for batch in np.split(cut, range(32, len(cut), 32)))
    assert tokens.lengths.padding_sorted == pytest.approx(1 - cut.sum() / size)
