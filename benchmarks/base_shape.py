"""Size and speed of the export and of every preset on RoBERTa-base's shape (125 M parameters).

    python benchmarks/base_shape.py TEXTS.csv [--texts 256] [--rounds 5] [--docs docs/benchmarks.md]

The weights are random, so what it predicts means nothing; bytes and milliseconds are those of any
RoBERTa-base classifier with six labels. A preset's steps are applied without its distillation,
which changes neither. The tokenizer is a byte-level BPE trained on the texts and filled up to
RoBERTa's 50,265 entries. --docs names a page whose section `base-shape` is written anew. Ends with
one JSON line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from page import table, write_section
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForSequenceClassification

from paretext.compression import Distillation, DynamicQuantization
from paretext.compression.recipe import preset
from paretext.compression.step import Material
from paretext.core.cores import available_cores
from paretext.data.dataset import Dataset
from paretext.data.tables import read_rows
from paretext.graphs import export
from paretext.measure.cost import Cost, Target, benchmark, machine
from paretext.models.classifier import Classifier
from paretext.training.fit import TrainingSettings

PRESETS = ("safe", "small", "tiny")
HEAD = ["version", "MB", "smaller", "ms at 1", "faster", "ms at 32", "faster", "texts/s", "peak MB"]
VOCABULARY = 50_265
LABELS = ("sadness", "joy", "love", "anger", "fear", "surprise")


def tokenizer(texts: list[str]) -> Any:
    """Byte-level BPE with RoBERTa's special tokens and exactly its number of entries."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    values = json.loads(trained.to_str())
    vocabulary, merges = values["model"]["vocab"], values["model"]["merges"]
    while len(vocabulary) < VOCABULARY:  # entries of a common length that no text here needs
        left, right = f"fill{len(vocabulary):05d}"[:4], f"{len(vocabulary):05d}"
        vocabulary[f"{left}{right}"] = len(vocabulary)
        merges.append([left, right])
    for token in {part for merge in merges for part in merge} - vocabulary.keys():
        # a merge needs its parts: drop the merge where filling made one without them
        merges[:] = [merge for merge in merges if token not in merge]
    filled = Tokenizer.from_str(json.dumps(values))
    filled.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    filled.decoder = decoders.ByteLevel()
    names = {
        "bos": "<s>",
        "cls": "<s>",
        "pad": "<pad>",
        "eos": "</s>",
        "sep": "</s>",
        "unk": "<unk>",
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=filled, **{f"{kind}_token": token for kind, token in names.items()}
    )


def build(texts: list[str]) -> Classifier:
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
    )
    own = tokenizer(texts)
    own.model_max_length = 128
    return Classifier(RobertaForSequenceClassification(config).eval(), own, LABELS, 128)


def compressed(classifier: Classifier, name: str, data: Material) -> Classifier:
    """The preset `name` of the classifier, untaught."""
    (version,) = preset(name)
    for step in version.classifier_steps:
        if not isinstance(step, Distillation):
            print(f"{name}: {step.step} ...", flush=True)
            classifier, _ = step.apply(classifier, data)
    return classifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--docs", type=Path)
    options = parser.parse_args()
    texts = [str(row["text"]) for row in read_rows(options.data)]
    # No step but the one that is left out looks at labels.
    data = Dataset(tuple(texts), np.arange(len(texts)) % len(LABELS), LABELS)
    material = Material(data, data, TrainingSettings())
    some = texts[: options.texts]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        whole = build(texts)
        whole.save(folder / "pytorch")
        int8 = DynamicQuantization()
        made = {
            "parent": export(whole, folder / "parent", some[:64]),
            "INT8 alone": export(whole, folder / "int8", some[:64], quantization=int8),
        }
        for name in PRESETS:
            small, quantization = compressed(whole, name, material), preset(name)[0].quantization
            made[name] = export(small, folder / name, some[:64], quantization=quantization)
        targets = [Target("pytorch", folder / "pytorch", "pytorch")]
        targets += [Target(name, artifact.folder) for name, artifact in made.items()]
        measured = benchmark(targets, some, threads=options.threads, rounds=options.rounds)
    costs = [each.cost for each in measured.values()]
    here = machine(options.threads)
    text = (
        f"RoBERTa-base's shape with random weights, {len(some)} texts; {here['cpu']}, "
        f"{here['threads']} cores.\n\n{table([HEAD, *(cells(cost, costs[0]) for cost in costs)])}"
    )
    print(text)
    if options.docs:
        write_section(options.docs, "base-shape", text, "RoBERTa-base's shape")
    print(json.dumps({"machine": here, "versions": [asdict(cost) for cost in costs]}))


def cells(cost: Cost, first: Cost) -> list[str]:
    return [
        cost.name,
        f"{cost.bytes / 1e6:.1f}",
        f"{first.bytes / cost.bytes:.1f}x",
        f"{cost.batch1_ms_p50:.2f}",
        f"{first.batch1_ms_p50 / cost.batch1_ms_p50:.1f}x",
        f"{cost.batch32_ms_per_text:.3f}",
        f"{first.batch32_ms_per_text / cost.batch32_ms_per_text:.1f}x",
        f"{cost.bulk_texts_per_second:,.0f}",
        f"{cost.peak_memory_bytes / 1e6:,.0f}",
    ]


if __name__ == "__main__":
    main()
