"""optimum-onnx, as its documentation writes it: a model, a tokenizer, transformers' pipeline."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from answer import answer
from optimum.onnxruntime import ORTModelForSequenceClassification
from transformers import AutoTokenizer, pipeline


def classify(artifact: str, texts: list[str]) -> dict[str, Any]:
    tokenizer = AutoTokenizer.from_pretrained(artifact)
    model = ORTModelForSequenceClassification.from_pretrained(artifact)
    logits = []
    for text in texts:
        inputs = tokenizer(text, truncation=True, return_tensors="np")
        logits.append(np.asarray(model(**inputs).logits)[0].tolist())
    pipe = pipeline("text-classification", model=model, tokenizer=tokenizer)
    labels = [each["label"] for each in pipe(texts, truncation=True, batch_size=8)]
    return {"logits": logits, "labels": labels, "version": version("optimum-onnx")}


answer(classify)
