"""Size, speed and agreement of the export on RoBERTa-base's shape (125 M parameters).

    python benchmarks/base_shape.py TEXTS.csv [--texts 256] [--rounds 5] [--out result.json]

The weights are random, so what it predicts means nothing; bytes and milliseconds are those of any
RoBERTa-base classifier with six labels. The tokenizer is a byte-level BPE trained on the texts
and filled up to RoBERTa's 50,265 entries. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForSequenceClassification

from paretext.benchmark import Target, benchmark, machine
from paretext.classifier import Classifier
from paretext.compression import DynamicQuantization
from paretext.export import export
from paretext.files import write_json
from paretext.tables import read_rows

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    texts = [str(row["text"]) for row in read_rows(options.data)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        classifier = build(texts)
        classifier.save(folder / "pytorch")
        some = texts[: options.texts]
        quantization = DynamicQuantization()
        made = {
            "onnx-fp32": export(classifier, folder / "fp32", some[:64]),
            "onnx-int8": export(classifier, folder / "int8", some[:64], quantization=quantization),
        }
        targets = [Target("pytorch-fp32", folder / "pytorch", "pytorch")]
        targets += [Target(name, artifact.folder) for name, artifact in made.items()]
        measured = benchmark(targets, some, threads=options.threads, rounds=options.rounds)
        first = measured["pytorch-fp32"].cost
        rows = []
        for name, each in measured.items():
            cost = each.cost
            row = {
                "version": name,
                "bytes": cost.bytes,
                "peak_memory_bytes": cost.peak_memory_bytes,
                "batch1_ms_p50": cost.batch1_ms_p50,
                "batch32_ms_per_text": cost.batch32_ms_per_text,
                "bulk_texts_per_second": cost.bulk_texts_per_second,
                "batch1_speedup": first.batch1_ms_p50 / cost.batch1_ms_p50,
                "batch32_speedup": first.batch32_ms_per_text / cost.batch32_ms_per_text,
                "rounds": cost.rounds,
            }
            if name in made:
                row["agreement"] = made[name].manifest.agreement.model_dump()
            rows.append(row)
            print(
                f"{name:13} {cost.bytes / 1e6:6.1f} MB (peak {cost.peak_memory_bytes / 1e6:5.0f}),"
                f" batch 1 {cost.batch1_ms_p50:6.2f} ms ({row['batch1_speedup']:.2f}x),"
                f" batch 32 {cost.batch32_ms_per_text:6.2f} ms ({row['batch32_speedup']:.2f}x),"
                f" bulk {cost.bulk_texts_per_second:6.1f} texts/s"
            )
    result = {"machine": machine(options.threads or 0), "texts": options.texts, "versions": rows}
    if options.out:
        write_json(options.out, result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
