"""TextPruner: heads and feed-forward neurons taken out by their loss sensitivity, no training.

Its quick guide's settings: two thirds of the feed-forward neurons and of the heads stay, chosen in
four iterations on labelled texts. Runs with transformers 4, the last to have `prune_heads`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from job import BATCH, Job
from textpruner import GeneralConfig, TransformerPruner, TransformerPruningConfig

from tools.transformers_model import TorchModel, load_classifier, load_tokenizer

PACKAGES = ("textpruner", "transformers", "torch")
TEXTS = 1024
ITERATIONS = 4
SETTINGS = {
    "transformer": "TransformerPruner, iterative, 2/3 of the heads and of the feed-forward neurons "
    f"kept, {ITERATIONS} iterations on {TEXTS:,} training texts, float32 in PyTorch",
}


def prepare(job: Job, folder: Path) -> None:
    torch.set_num_threads(job.threads)
    model, tokenizer = load_classifier(job.classifier), load_tokenizer(job.classifier)
    neurons = model.config.intermediate_size * 2 // 3
    pruner = TransformerPruner(
        model,
        transformer_pruning_config=TransformerPruningConfig(
            target_ffn_size=neurons,
            target_num_of_heads=model.config.num_attention_heads * 2 // 3,
            pruning_method="iterative",
            n_iters=ITERATIONS,
        ),
        general_config=GeneralConfig(use_device="cpu", output_dir=str(folder / "scores")),
    )
    pruner.prune(dataloader=_batches(job, tokenizer), save_model=False)
    shutil.rmtree(folder / "scores")
    model.config.intermediate_size = neurons  # as TextPruner's own save_model does
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _batches(job: Job, tokenizer: Any) -> list[dict[str, Any]]:
    texts, labels = job.train_data()
    return [
        {
            **tokenizer(
                texts[start : start + BATCH],
                truncation=True,
                padding=True,
                return_token_type_ids=False,
                return_tensors="pt",
            ),
            "labels": torch.tensor(labels[start : start + BATCH]),
        }
        for start in range(0, TEXTS, BATCH)
    ]


def load(job: Job, folder: Path) -> TorchModel:
    return TorchModel(load_classifier(folder), folder, job.threads)
