"""An encoder that has read the domain's texts: masked language modelling on unlabelled texts.

    python benchmarks/domain_pretraining.py ENCODER texts.csv OUT [--epochs 3]

The second encoder of the question "does pretraining on the domain help?": the first one, trained on
to guess masked tokens of the domain's own texts, without their labels (Gururangan et al. 2020,
"Don't Stop Pretraining", section 4, task-adaptive pretraining). Then

    paretext ablate --data train.csv --eval validation.csv --model ENCODER --model OUT --out FOLDER

trains both on the same labelled texts. Only RoBERTa encoders, as those were pretrained this way;
give the training texts alone, since the evaluation texts must stay unseen. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from transformers import (
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    RobertaForMaskedLM,
    Trainer,
    TrainingArguments,
)

from paretext.data.tables import read_rows
from paretext.models.classifier import Classifier
from paretext.training.device import resolve_device, uses_bf16
from paretext.training.settings import TrainingSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("encoder", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(options.encoder)
    texts = [str(row["text"]) for row in read_rows(options.texts)]
    encoded = tokenizer(
        texts, truncation=True, max_length=options.max_length, return_token_type_ids=False
    )
    examples: list[dict[str, Any]] = [{"input_ids": ids} for ids in encoded["input_ids"]]
    model = RobertaForMaskedLM.from_pretrained(options.encoder)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(options.out),
            num_train_epochs=options.epochs,
            learning_rate=options.learning_rate,
            per_device_train_batch_size=32,
            warmup_steps=100,
            weight_decay=0.01,
            train_sampling_strategy="group_by_length",
            bf16=uses_bf16(TrainingSettings()),
            use_cpu=resolve_device("auto") == "cpu",
            logging_strategy="epoch",
            save_strategy="no",
            report_to=[],
            seed=options.seed,
        ),
        train_dataset=examples,
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15),
    )
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    model.roberta.save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)
    Classifier.from_pretrained(str(options.out), ("one", "two"), options.max_length)
    print(json.dumps({"texts": len(texts), "loss_per_epoch": losses}))


if __name__ == "__main__":
    main()
