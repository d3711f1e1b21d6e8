"""fit(): it learns, keeps the best epoch, and an interrupted training ends as an uninterrupted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import toy
from damage import another_kind, cut, empty, garble
from sklearn.metrics import f1_score
from sklearn.utils.class_weight import compute_class_weight

from paretext.compression.step import compact
from paretext.core.errors import ParetextError
from paretext.data.balance import class_weights, supersampled
from paretext.data.dataset import Dataset
from paretext.models.classifier import Classifier
from paretext.training.batches import OwnRows
from paretext.training.checkpoints import last_whole, seal
from paretext.training.fit import Fitted, TrainingSettings, fit
from paretext.training.targets import Distance, Targets

TRAIN, SELECTION = toy.dataset(96), toy.dataset(48, seed=1)
SETTINGS = TrainingSettings(
    learning_rate=5e-3, batch_size=8, epochs=4, patience=4, precision="fp32", device="cpu"
)
EPOCH = 12  # steps of 8 texts


class Killed(Exception):
    pass


def new(encoder: Callable[[str], Path], architecture: str = "roberta") -> Classifier:
    return Classifier.from_pretrained(str(encoder(architecture)), toy.LABELS, max_length=32)


@pytest.fixture(scope="module")
def untrained(encoder: Callable[[str], Path]) -> Classifier:
    return new(encoder)


@pytest.fixture(scope="module")
def fitted(untrained: Classifier) -> Fitted:
    return fit(untrained, TRAIN, SELECTION, SETTINGS)


def score(classifier: Classifier, data: Dataset = SELECTION) -> float:
    truth = np.array(data.label_names)[data.labels]
    return float(f1_score(truth, classifier.predict(data.texts), average="macro"))


def weights(classifier: Classifier) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in classifier.model.state_dict().items()}


def assert_same(one: Fitted, other: Fitted) -> None:
    assert one.history == other.history
    first, second = weights(one.classifier), weights(other.classifier)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def at_step(*actions: tuple[int, Callable[[Any], None]], start: int = 0) -> Callable[[Any], None]:
    """An `after_step` that does each action from its step on."""
    step = start

    def after_step(model: Any) -> None:
        nonlocal step
        step += 1
        for begin, action in actions:
            if step >= begin:
                action(model)

    return after_step


def die(model: Any) -> None:
    raise Killed


@torch.no_grad()
def wreck(model: Any) -> None:
    """One answer for every text: from here on no epoch is better than the ones before."""
    model.classifier.out_proj.weight.zero_()
    model.classifier.out_proj.bias.copy_(torch.tensor([9.0, 0.0, 0.0]))


# --- learning


def test_it_learns_what_an_untrained_encoder_cannot_answer(untrained: Classifier) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 8})
    learned = fit(untrained, TRAIN, SELECTION, settings)
    assert score(untrained) < 0.5
    assert score(learned.classifier) > 0.9
    assert score(learned.classifier) == pytest.approx(learned.best["selection_macro_f1"], abs=1e-12)
    assert [row["epoch"] for row in learned.history] == list(range(1, 1 + len(learned.history)))
    assert learned.history[-1]["train_loss"] < learned.history[0]["train_loss"]


def test_the_callers_classifier_stays_as_it_was(untrained: Classifier) -> None:
    before = weights(untrained)
    fit(untrained, TRAIN.take(range(16)), SELECTION, SETTINGS.model_copy(update={"epochs": 1}))
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(untrained).items())


def test_the_best_epochs_weights_are_returned_and_training_stops_early(
    untrained: Classifier,
) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 8, "patience": 2})
    result = fit(untrained, TRAIN, SELECTION, settings, after_step=at_step((3 * EPOCH + 1, wreck)))
    assert len(result.history) == result.best["epoch"] + 2 < 8
    assert score(result.classifier) == pytest.approx(result.best["selection_macro_f1"], abs=1e-12)
    assert result.history[-1]["selection_macro_f1"] < result.best["selection_macro_f1"]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    untrained: Classifier, fitted: Fitted
) -> None:
    assert_same(fitted, fit(untrained, TRAIN, SELECTION, SETTINGS))
    other = fit(untrained, TRAIN, SELECTION, SETTINGS.model_copy(update={"seed": 1}))
    assert other.history != fitted.history


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_every_architecture_trains_and_comes_back_from_disk(
    architecture: str, encoder: Callable[[str], Path], tmp_path: Path
) -> None:
    classifier = new(encoder, architecture)
    before = classifier.logits(SELECTION.texts)
    settings = SETTINGS.model_copy(update={"epochs": 1})
    trained = fit(classifier, TRAIN.take(range(32)), SELECTION, settings).classifier
    trained.save(tmp_path / "model")
    back = Classifier.load(tmp_path / "model")
    assert (back.label_names, back.max_length) == (toy.LABELS, 32)
    np.testing.assert_array_equal(back.logits(SELECTION.texts), trained.logits(SELECTION.texts))
    assert np.abs(trained.logits(SELECTION.texts) - before).max() > 0.01


# --- interrupted


@pytest.fixture(scope="module")
def killed_in_epoch_3(untrained: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("killed") / "work"
    with pytest.raises(Killed):
        fit(
            untrained,
            TRAIN,
            SELECTION,
            SETTINGS,
            work=work,
            after_step=at_step((2 * EPOCH + 5, die)),
        )
    assert {path.name for path in work.iterdir()} == {"checkpoint-12", "checkpoint-24"}
    return work


def _remove_state(work: Path) -> None:
    (work / "checkpoint-24" / "trainer_state.json").unlink()


def _cut_optimizer(work: Path) -> None:
    cut(work / "checkpoint-24" / "optimizer.pt")


def _remove_weights(work: Path) -> None:  # as a kill in the middle of its deletion leaves it
    (work / "checkpoint-24" / "model.safetensors").unlink()


def _cut_both(work: Path) -> None:
    cut(work / "checkpoint-12" / "optimizer.pt")
    cut(work / "checkpoint-24" / "rng_state.pth")


def _nothing(work: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("damage", "goes_on_from"),
    [
        *((_nothing, 24), (_remove_state, 12), (_cut_optimizer, 12), (_remove_weights, 12)),
        (_cut_both, 0),
    ],
)
def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    damage: Callable[[Path], None],
    goes_on_from: int,
    untrained: Classifier,
    fitted: Fitted,
    killed_in_epoch_3: Path,
    tmp_path: Path,
) -> None:
    work = tmp_path / "moved elsewhere"
    shutil.copytree(killed_in_epoch_3, work)
    damage(work)
    steps = []
    resumed = fit(untrained, TRAIN, SELECTION, SETTINGS, work=work, after_step=steps.append)
    assert len(steps) == 4 * EPOCH - goes_on_from
    assert_same(resumed, fitted)


@pytest.mark.parametrize("how", [empty, cut, garble, another_kind])
def test_a_checkpoint_with_any_damaged_file_is_left_for_the_one_before(
    how: Callable[[Path], None],
    killed_in_epoch_3: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = {path.name for path in (killed_in_epoch_3 / "checkpoint-24").iterdir()}
    assert names >= {"optimizer.pt", "scheduler.pt", "rng_state.pth", "model.safetensors"}
    for name in names:
        work = Path(shutil.copytree(killed_in_epoch_3, tmp_path / name))
        how(work / "checkpoint-24" / name)
        caplog.clear()
        with caplog.at_level("INFO", logger="paretext"):
            checkpoint = last_whole(work, "training")
        assert checkpoint == work / "checkpoint-12"
        assert "training: checkpoint-24 is not whole: " in caplog.text
        assert [path.name for path in work.iterdir()] == ["checkpoint-12"]


def test_no_checkpoint_is_used_without_the_best_one_before_it(
    killed_in_epoch_3: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Trainer would take the last epoch's weights for the best."""
    work = Path(shutil.copytree(killed_in_epoch_3, tmp_path / "work"))
    state = work / "checkpoint-24" / "trainer_state.json"
    values = json.loads(state.read_text(encoding="utf-8"))
    state.write_text(json.dumps({**values, "best_global_step": 12}), encoding="utf-8")
    seal(work / "checkpoint-24")
    assert last_whole(work, "training") == work / "checkpoint-24"
    cut(work / "checkpoint-12" / "model.safetensors")
    with caplog.at_level("INFO", logger="paretext"):
        assert last_whole(work, "training") is None
    assert "begins anew" in caplog.text
    assert list(work.iterdir()) == []


def test_a_student_that_goes_on_learns_each_epochs_own_rows(
    untrained: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = [np.arange(24) + 24 * epoch for epoch in range(4)]
    logits, answers = (np.eye(3, dtype=np.float32)[each.labels] * 4 for each in (TRAIN, SELECTION))
    seen: list[str] = []

    def train(work: Path, after_step: Any = None) -> Fitted:
        targets = Targets(logits, answers, epochs)
        return fit(
            compact(untrained),
            TRAIN,
            SELECTION,
            SETTINGS,
            work=work,
            after_step=after_step,
            targets=targets,
        )

    class Noting(Distance):
        def __call__(self, model: Any, inputs: Any, taught: Any) -> torch.Tensor:
            ids = inputs["input_ids"]
            seen.extend(untrained.tokenizer.batch_decode(ids, skip_special_tokens=True))
            return super().__call__(model, inputs, taught)

    monkeypatch.setattr("paretext.training.fit.Distance", Noting)

    def texts(rows: Any) -> list[str]:
        own = untrained.tokenize(TRAIN.take(rows).texts)["input_ids"]
        return sorted(untrained.tokenizer.batch_decode(own, skip_special_tokens=True))

    whole = train(tmp_path / "whole")
    assert [sorted(seen[24 * e : 24 * e + 24]) for e in range(4)] == [texts(e) for e in epochs]
    with pytest.raises(Killed):
        train(tmp_path / "killed", at_step((2 * 3 + 1, die)))
    seen.clear()
    resumed = train(tmp_path / "killed")
    assert sorted(seen) == texts(np.concatenate(epochs[2:]))
    assert_same(resumed, whole)


def test_a_students_best_epoch_is_the_one_nearest_to_its_teacher(untrained: Classifier) -> None:
    """Here one that is wrong on selection alone, so that macro-F1 would choose another epoch."""
    logits = np.eye(3, dtype=np.float32)[TRAIN.labels] * 4
    answers = np.eye(3, dtype=np.float32)[(SELECTION.labels + 1) % 3] * 4
    targets = Targets(logits, answers, [np.arange(len(TRAIN))] * 8)
    settings = SETTINGS.model_copy(update={"epochs": 8, "patience": 8})
    fitted = fit(untrained, TRAIN, SELECTION, settings, targets=targets)
    rows = fitted.history
    assert fitted.best == min(rows, key=lambda row: row["selection_divergence"])
    assert fitted.best != max(rows, key=lambda row: row["selection_macro_f1"])
    own, wanted = (
        torch.from_numpy(each).log_softmax(1)
        for each in (fitted.classifier.logits(SELECTION.texts), answers)
    )
    divergence = torch.nn.functional.kl_div(own, wanted, log_target=True, reduction="batchmean")
    assert float(divergence) == pytest.approx(fitted.best["selection_divergence"], rel=1e-3)


@pytest.mark.parametrize("dies_in_epoch", [4, 5])
def test_early_stopping_counts_on_after_an_interruption(
    dies_in_epoch: int, untrained: Classifier, tmp_path: Path
) -> None:
    """Without memory of the epochs before, the resumed training would stop later."""
    settings = SETTINGS.model_copy(update={"epochs": 8, "patience": 2})
    wrecked, death = (2 * EPOCH + 1, wreck), ((dies_in_epoch - 1) * EPOCH + 5, die)
    whole = fit(untrained, TRAIN, SELECTION, settings, after_step=at_step(wrecked))
    assert len(whole.history) == whole.best["epoch"] + 2 == 4
    work = tmp_path / "work"
    if dies_in_epoch == 4:
        with pytest.raises(Killed):
            fit(
                *(untrained, TRAIN, SELECTION, settings),
                work=work,
                after_step=at_step(wrecked, death),
            )
        after_step = at_step(wrecked, start=3 * EPOCH)
    else:  # killed when the training was over and its result not yet safe
        fit(untrained, TRAIN, SELECTION, settings, work=work, after_step=at_step(wrecked))
        shutil.move(work, tmp_path / "moved")  # the best checkpoint is found there too
        work, after_step = tmp_path / "moved", die
    assert_same(fit(untrained, TRAIN, SELECTION, settings, work=work, after_step=after_step), whole)


# --- rare classes


def test_supersampling_repeats_each_class_by_its_factor() -> None:
    rows = supersampled(TRAIN, (4, 1, 2))
    before, after = TRAIN.counts(), TRAIN.take(rows).counts()
    assert before.tolist() == [16, 48, 32]
    assert after.tolist() == [64, 48, 64]
    assert set(rows) == set(range(len(TRAIN)))
    assert supersampled(TRAIN, None).tolist() == list(range(len(TRAIN)))


def test_auto_brings_each_class_near_the_largest_with_at_most_8_copies() -> None:
    labels = np.repeat([0, 1, 2, 3], [100, 51, 30, 2])
    texts = tuple(f"text {i}" for i in range(len(labels)))
    data = Dataset(texts, labels, ("a", "b", "c", "d", "nobody has it"))
    counts = data.take(supersampled(data, "auto")).counts()
    assert counts.tolist() == [100, 2 * 51, 3 * 30, 8 * 2, 0]


@pytest.mark.parametrize("factors", [None, (4, 1, 2), "auto"])
def test_class_weights_are_scikit_learns_balanced_ones_after_supersampling(factors: Any) -> None:
    rows = supersampled(TRAIN, factors)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=TRAIN.labels[rows])
    np.testing.assert_allclose(class_weights(np.bincount(TRAIN.labels[rows])), expected, 1e-6)


@pytest.mark.parametrize("weighted", [True, False])
def test_the_loss_is_the_cross_entropy_of_the_supersampled_texts(
    weighted: bool, untrained: Classifier
) -> None:
    """One batch of all texts and no dropout: the first loss is that of the untrained weights."""
    classifier = untrained.copy()
    for module in classifier.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    rows = supersampled(TRAIN, (3, 1, 1))
    balanced = compute_class_weight("balanced", classes=np.arange(3), y=TRAIN.labels[rows])
    loss = torch.nn.CrossEntropyLoss(
        weight=torch.tensor(balanced, dtype=torch.float32) if weighted else None
    )
    logits = torch.tensor(classifier.logits(TRAIN.take(rows).texts))
    expected = loss(logits, torch.tensor(TRAIN.labels[rows])).item()
    settings = SETTINGS.model_copy(
        update={
            "epochs": 1,
            "batch_size": len(rows),
            "supersample": (3, 1, 1),
            "class_weights": weighted,
        }
    )
    history = fit(classifier, TRAIN, SELECTION, settings).history
    assert history[0]["train_loss"] == pytest.approx(expected, abs=1e-4)


def test_the_wrong_number_of_factors_is_refused_with_the_labels_in_order(
    untrained: Classifier,
) -> None:
    settings = SETTINGS.model_copy(update={"supersample": (1, 2)})
    with pytest.raises(ParetextError, match=r"2 factors .* 3 labels.*: fear, joy, sad\."):
        fit(untrained, TRAIN, SELECTION, settings)


# --- batches


def test_batches_hold_texts_of_similar_length(untrained: Classifier) -> None:
    generator = np.random.default_rng(0)
    counts = generator.integers(1, 28, size=192)
    labels = np.arange(192) % 3
    texts = tuple(" ".join(["word"] * n) for n in counts)
    data = Dataset(texts, labels, toy.LABELS)
    lengths = np.array([len(row) for row in untrained.tokenize(texts)["input_ids"]])
    batches = []

    def record(model: Any, args: Any, given: dict[str, Any]) -> None:
        if model.training:
            batches.append(given["attention_mask"])

    classifier = untrained.copy()
    classifier.model.register_forward_pre_hook(record, with_kwargs=True)
    fit(classifier, data, SELECTION, SETTINGS.model_copy(update={"epochs": 1}))
    del batches[0]  # the look whether it can be trained at all
    assert sum(int(mask.sum()) for mask in batches) == lengths.sum()  # every text once
    padding = sum(mask.numel() for mask in batches) - lengths.sum()
    shuffled = [generator.permutation(lengths).reshape(-1, 8) for _ in range(20)]
    random_padding = np.mean([8 * batch.max(axis=1).sum() - lengths.sum() for batch in shuffled])
    assert padding < 0.5 * random_padding


# --- settings


def test_settings_parse_factors_as_the_command_line_gives_them() -> None:
    assert TrainingSettings(supersample="1,1,4").supersample == (1, 1, 4)
    assert TrainingSettings(supersample=[1, 2]).supersample == (1, 2)
    assert TrainingSettings(supersample="auto").supersample == "auto"
    settings = TrainingSettings(supersample="1,1,4", seed=3)
    assert TrainingSettings.model_validate(json.loads(settings.model_dump_json())) == settings


@pytest.mark.parametrize(
    "values",
    [
        {"supersample": "a,b"},
        {"supersample": "1,0"},
        {"supersample": (1, -1)},
        {"supersample": 3},
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"epochs": 0},
        {"warmup": 1},
        {"precision": "fp64"},
        {"device": "tpu"},
        {"epoch": 3},
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ParetextError):
        TrainingSettings(**values)


def test_cuda_without_a_gpu_is_one_sentence(
    untrained: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ParetextError, match=r"^device is cuda, and .* no GPU; use --device auto"):
        fit(untrained, TRAIN, SELECTION, SETTINGS.model_copy(update={"device": "cuda"}))


def test_each_epoch_has_its_own_rows_in_batches_of_like_lengths() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, 900)
    epochs = [np.arange(300) + 300 * epoch for epoch in range(3)]
    rows, again = (OwnRows(epochs, lengths, batch_size=8, seed=1) for _ in range(2))
    for epoch in (2, 0, 1):
        rows.set_epoch(epoch)
        again.set_epoch(epoch)
        order = list(rows)
        assert order == list(again)
        assert sorted(order) == epochs[epoch].tolist()
        assert len(rows) == 300
        batches = [lengths[order[start : start + 8]] for start in range(0, 296, 8)]
        assert max(np.ptp(batch) for batch in batches) < 20  # of 57
        means = [batch.mean() for batch in batches]
        assert abs(np.corrcoef(means, range(len(means)))[0, 1]) < 0.5  # no longer short to long
