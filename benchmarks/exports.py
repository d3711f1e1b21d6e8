"""Same weights, two INT8 files: paretext's export against the plain one; and how near the wall is.

    python benchmarks/exports.py --classifier FOLDER --eval validation.csv [--rounds 5]
        [--texts 2000] [--out result.json] [--docs docs/benchmarks.md]

**Side by side**, for the first 1, the first 2 and all layers of the classifier. Plain: the graph of
torch.onnx.export with its defaults, quant_pre_process and quantize_dynamic of ONNX Runtime, one
session on all cores, padded batches of 32, tokenisation by `tokenizers` alone. Ours:
`export(classifier, quantization=DynamicQuantization())` and `Artifact.predict_proba`. The two take
turns in one process; figures are medians over the rounds, tokenisation included. The plain file is
also timed in bulk with the texts sorted by length first, which is the part of our lead that anybody
can have without our file.

**The wall.** A graph of nothing but MatMulIntegerToFloat gives the INT8 peak of ONNX Runtime here:
on a large square and on the classifier's own feed-forward shape with as many rows as a text has
tokens. Beside it stand the rate of our graph's products where they run (ONNX Runtime's profile) and
of the whole graph (the products' operations over the time of a call, unprofiled), and what the
other operators take. `one text` is a call with one text of mean length on all cores; `group` is
a call as bulk makes them, a group of texts of that length on one core, against one core's peak.

Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from page import write_section

from paretext.compression import DynamicQuantization
from paretext.core.cores import available_cores
from paretext.core.files import folder_bytes, write_json
from paretext.data.tables import read_rows
from paretext.graphs import export
from paretext.measure.cost import BATCH1_TEXTS, BATCH32_TEXTS, machine
from paretext.models.classifier import Classifier
from paretext.runtime.artifact import GROUP_TOKENS, Artifact

sys.path.insert(0, str(Path(__file__).with_name("peers")))
from tools import onnxruntime_plain as plain

PRODUCTS = ("MatMulIntegerToFloat", "MatMulInteger", "DynamicQuantizeMatMul")
LARGE = 1024
ATTENTION = "QAttention"
"""Three products and what attention makes of them: they count in the whole graph's rate alone."""
CALLS = 60
Feed = dict[str, np.ndarray]


def first_layers(classifier: Classifier, count: int) -> Classifier:
    """The classifier without the encoder layers from `count` on."""
    model = copy.deepcopy(classifier.model)
    base = getattr(model, model.base_model_prefix)
    stack = base.transformer if model.config.model_type == "distilbert" else base.encoder
    stack.layer = torch.nn.ModuleList(list(stack.layer)[:count])
    model.config.num_hidden_layers = count
    return replace(classifier, model=model)


def layer_count(classifier: Classifier) -> int:
    return int(classifier.model.config.num_hidden_layers)


def make(
    classifier: Classifier, folder: Path, texts: list[str]
) -> tuple[Artifact, plain.OnnxModel]:
    """Ours and the plain file of the same weights."""
    ours = export(classifier, folder / "ours", texts, quantization=DynamicQuantization())
    classifier.save(folder / "classifier")
    (folder / "plain").mkdir()
    job = plain.Job(
        tool="onnxruntime_plain",
        variant="dynamic",
        classifier=folder / "classifier",
        train=folder,
        labels=classifier.label_names,
        threads=available_cores(),
        seed=0,
    )
    plain.prepare(job, folder / "plain")
    return ours, plain.load(job, folder / "plain")


# Side by side ---------------------------------------------------------------------------------


def side_by_side(
    ours: Artifact, other: plain.OnnxModel, texts: list[str], rounds: int
) -> dict[str, dict[str, float]]:
    """Medians over the rounds; the first round is the warm-up."""
    calls: dict[str, Callable[[Sequence[str]], object]] = {
        "ours": ours.predict_proba,
        "plain": other.predict,
    }
    bulks = {
        "ours": lambda: ours.predict_proba(texts),
        "plain": lambda: other.bulk(texts),
        "plain sorted": lambda: other.bulk(sorted(texts, key=len)),
    }
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(rounds + 1):
        for name, call in calls.items():
            values[name]["batch1_ms"].append(_batch1(call, texts[:BATCH1_TEXTS]))
        for name, call in calls.items():
            values[name]["batch32_ms_per_text"].append(_batch32(call, texts[:BATCH32_TEXTS]))
        for name, bulk in bulks.items():
            begin = time.perf_counter()
            bulk()
            rate = len(texts) / (time.perf_counter() - begin)
            values[name]["bulk_texts_per_second"].append(rate)
    return {
        name: {key: statistics.median(each[1:]) for key, each in by_key.items()}
        for name, by_key in values.items()
    }


def _batch1(call: Callable[[Sequence[str]], object], texts: list[str]) -> float:
    times = []
    for text in texts:
        begin = time.perf_counter()
        call([text])
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e3


def _batch32(call: Callable[[Sequence[str]], object], texts: list[str]) -> float:
    begin = time.perf_counter()
    for start in range(0, len(texts), 32):
        call(texts[start : start + 32])
    return (time.perf_counter() - begin) * 1e3 / len(texts)


def operators(path: Path) -> dict[str, dict[str, int]]:
    """Operators in the file, and what ONNX Runtime makes of them when it loads it."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        options.log_severity_level = 3  # it warns that the file suits this machine only
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        loaded = onnx.load(options.optimized_model_filepath)
    counts = {}
    for name, model in (("file", onnx.load(path)), ("loaded", loaded)):
        counts[name] = dict(Counter(node.op_type for node in model.graph.node).most_common())
    return counts


# The wall -------------------------------------------------------------------------------------


def peak(rows: int, inputs: int, outputs: int, threads: int) -> float:
    """GOP/s of MatMulIntegerToFloat: eight products a call, so that the call itself counts little,
    each with a weight of its own; the best of many calls."""
    count = 8
    random = np.random.default_rng(0)
    constants = {
        "scale": np.float32(0.01),
        "zero": np.uint8(128),
        "scales": np.full(outputs, 0.01, np.float32),
    }
    for index in range(count):
        constants[f"w{index}"] = random.integers(-127, 127, (inputs, outputs), np.int8)
    nodes = [
        helper.make_node(
            "MatMulIntegerToFloat",
            ["x", f"w{index}", "scale", "scales", "zero"],
            [f"y{index}"],
            domain="com.microsoft",
        )
        for index in range(count)
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "peak",
            [helper.make_tensor_value_info("x", TensorProto.UINT8, [rows, inputs])],
            [
                helper.make_tensor_value_info(f"y{index}", TensorProto.FLOAT, [rows, outputs])
                for index in range(count)
            ],
            [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
        ir_version=8,
    )
    session = _session(model.SerializeToString(), threads)
    feed = {"x": random.integers(0, 255, (rows, inputs), np.uint8)}
    fastest = min(_times(lambda: session.run(None, feed), CALLS))
    return 2 * rows * inputs * outputs * count / fastest / 1e9


def profile(path: Path, feed: Feed, threads: int) -> dict[str, Any]:
    """Where a call's time goes: microseconds by operator type, the products' operations, and the
    time of an unprofiled call. Of each node the median over the calls."""
    bare = _session(str(path), threads)
    call_us = statistics.median(_times(lambda: bare.run(None, feed), CALLS)) * 1e6
    with tempfile.TemporaryDirectory() as folder:
        session = _session(str(path), threads, str(Path(folder) / "profile"))
        for _ in range(CALLS):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    durations: dict[str, list[float]] = defaultdict(list)
    kind: dict[str, str] = {}
    operations: dict[str, int] = {}
    for event, arguments in _kernels(events):
        name = event["name"]
        durations[name].append(event["dur"])
        kind[name] = arguments["op_name"]
        if kind[name] in (*PRODUCTS, ATTENTION):
            operations[name] = _operations(arguments)
    by_type: dict[str, float] = defaultdict(float)
    for name, each in durations.items():
        by_type[kind[name]] += statistics.median(each)
    total = sum(operations.values())
    alone = sum(count for name, count in operations.items() if kind[name] in PRODUCTS)
    products_us = sum(by_type[name] for name in PRODUCTS)
    return {
        "call_us": call_us,
        "operators_us": dict(sorted(by_type.items(), key=lambda item: -item[1])),
        "products_us": products_us,
        "operations": total,
        "products_gops": alone / products_us / 1e3,
        "whole_gops": total / call_us / 1e3,
    }


def _kernels(events: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            yield event, event["args"]


def _operations(arguments: dict[str, Any]) -> int:
    """Two for each number of the output and of the sum behind it; attention has three products."""
    (inputs,) = arguments["input_type_shape"][0].values()
    (outputs,) = arguments["output_type_shape"][0].values()
    products = 3 if arguments["op_name"] == ATTENTION else 1
    return products * 2 * int(np.prod(outputs)) * int(inputs[-1])


def _session(
    model: str | bytes, threads: int, profile_prefix: str | None = None
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if profile_prefix:
        options.enable_profiling = True
        options.profile_file_prefix = profile_prefix
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _times(call: Callable[[], object], count: int) -> list[float]:
    """Seconds of `count` calls after ten for warmth."""
    times = []
    for index in range(count + 10):
        begin = time.perf_counter()
        call()
        if index >= 10:
            times.append(time.perf_counter() - begin)
    return times


def walls(ours: Artifact, other: plain.OnnxModel, folder: Path, tokens: int) -> dict[str, Any]:
    """Profiles of one text on all cores and of one of bulk's groups on one core."""
    cores = available_cores()

    def feed(texts: int) -> Feed:
        ids = np.random.default_rng(0).integers(1000, 2000, (texts, tokens))
        ids %= ours._tokenizer.get_vocab_size()
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}

    group = max(GROUP_TOKENS // tokens, 1)
    model = ours.folder / ours.manifest.model
    return {
        "ours, one text": profile(model, feed(1), cores),
        "ours, group": profile(model, feed(group), 1),
        "plain, one text": profile(folder / "plain" / "model.onnx", feed(1), cores),
    }


# The page -------------------------------------------------------------------------------------


def page(result: dict[str, Any]) -> str:
    lines = [
        "| layers | file | operators: file, as loaded | MB | ms, batch 1 | ms a text, batch 32 |"
        " texts/s, bulk | faster at 1, 32, bulk |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in result["depths"]:
        base = each["times"]["plain"]
        for name in ("plain", "ours"):
            own, counts = each["times"][name], each["operators"][name]
            faster = (
                base["batch1_ms"] / own["batch1_ms"],
                base["batch32_ms_per_text"] / own["batch32_ms_per_text"],
                own["bulk_texts_per_second"] / base["bulk_texts_per_second"],
            )
            lines.append(
                f"| {each['layers']} | {name} | {sum(counts['file'].values())}, "
                f"{sum(counts['loaded'].values())} | {each['bytes'][name] / 1e6:.1f} | "
                f"{own['batch1_ms']:.2f} | {own['batch32_ms_per_text']:.2f} | "
                f"{own['bulk_texts_per_second']:,.0f} | "
                f"{', '.join(f'{value:.1f}x' for value in faster)} |"
            )
        rate = each["times"]["plain sorted"]["bulk_texts_per_second"]
        lines.append(
            f"| {each['layers']} | plain, texts sorted by length first | | | | | {rate:,.0f} | "
            f"{rate / base['bulk_texts_per_second']:.1f}x in bulk |"
        )
    peaks = result["peaks"]
    lines += [
        "",
        "INT8 peak of MatMulIntegerToFloat, GOP/s: "
        + "; ".join(f"{name} {value:,.0f}" for name, value in peaks.items())
        + ". Shares below are of the large product's, on as many cores.",
        "",
        "| layers | call | us | whole graph, GOP/s | its products, GOP/s | us in products | "
        "us in other operators | us outside operators |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in result["depths"]:
        lines += [_wall_row(each["layers"], *item, peaks) for item in each["walls"].items()]
    information, data = result["machine"], result["data"]
    lines += [
        "",
        f"{data['texts']:,} texts, {data['rounds']} rounds, {information['threads']} threads on "
        f"{information['cpu']} ({', '.join(information['instruction_sets'])}); "
        + ", ".join(f"{k} {v}" for k, v in information["versions"].items())
        + f". One text has {data['tokens']} tokens. Made by `python benchmarks/exports.py`.",
    ]
    return "\n".join(lines)


def _wall_row(layers: int, name: str, wall: dict[str, Any], peaks: dict[str, float]) -> str:
    top = next(
        value
        for key, value in peaks.items()
        if key.startswith("large") and key.endswith("one core" if "group" in name else "all cores")
    )
    others = {k: v for k, v in wall["operators_us"].items() if k not in PRODUCTS}
    named = ", ".join(f"{kind} {us:.0f}" for kind, us in list(others.items())[:5])
    inside = wall["products_us"] + sum(others.values())
    return (
        f"| {layers} | {name} | {wall['call_us']:.0f} | "
        f"{wall['whole_gops']:.0f} ({wall['whole_gops'] / top:.0%}) | "
        f"{wall['products_gops']:.0f} ({wall['products_gops'] / top:.0%}) | "
        f"{wall['products_us']:.0f} | {sum(others.values()):.0f} ({named}) | "
        f"{max(wall['call_us'] - inside, 0):.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classifier", type=Path, required=True)
    parser.add_argument("--eval", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--docs", type=Path, help="page whose section 'exports' is rewritten")
    options = parser.parse_args()
    texts = [str(row["text"]) for row in read_rows(options.eval)][: options.texts]
    classifier = Classifier.load(options.classifier)
    tokens = round(statistics.mean(len(ids) for ids in classifier.tokenize(texts)["input_ids"]))
    config, cores = classifier.model.config, available_cores()
    wide = getattr(config, "intermediate_size", None) or config.hidden_dim
    peaks = {}
    for label, threads in (("all cores", cores), ("one core", 1)):
        peaks[f"large ({LARGE}^3), {label}"] = peak(LARGE, LARGE, LARGE, threads)
        shape = (tokens, config.hidden_size, wide)
        peaks[f"{' x '.join(map(str, shape))}, {label}"] = peak(*shape, threads)
    depths = []
    for count in sorted({1, 2, layer_count(classifier)}):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            ours, other = make(first_layers(classifier, count), folder, texts[:64])
            depths.append(
                {
                    "layers": count,
                    "times": side_by_side(ours, other, texts, options.rounds),
                    "operators": {
                        "plain": operators(folder / "plain" / "model.onnx"),
                        "ours": operators(ours.folder / ours.manifest.model),
                    },
                    "bytes": {name: folder_bytes(folder / name) for name in ("plain", "ours")},
                    "walls": walls(ours, other, folder, tokens),
                }
            )
    result = {
        "machine": machine(cores),
        "data": {"texts": len(texts), "rounds": options.rounds, "tokens": tokens},
        "peaks": peaks,
        "depths": depths,
    }
    text = page(result)
    if options.out:
        write_json(options.out, result)
    if options.docs:
        write_section(options.docs, "exports", text, "The same weights, exported")
    print(text)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
