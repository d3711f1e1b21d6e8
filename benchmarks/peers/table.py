"""results -> Markdown."""

from __future__ import annotations

from typing import Any

from page import table

HEAD = (
    *("version", "macro-F1", "drop from {reference}, 95% interval", "accuracy", "MB"),
    *("ms, batch 1", "ms a text, batch 32", "texts/s, bulk", "texts/s, bulk sorted"),
)


def markdown(results: dict[str, Any]) -> str:
    """The table, what could not be had and why, and everybody's versions and settings."""
    measured = [each for each in results["versions"] if "error" not in each]
    failed = [each for each in results["versions"] if "error" in each]
    titles = {each["name"]: each["title"] for each in measured}
    reference = titles.get(results["reference"], "nothing: the reference is not in this run")
    head = [cell.format(reference=reference) for cell in HEAD]
    rows = [head, *map(_cells, measured)]
    rows += [[each["title"], each["error"], *[""] * (len(head) - 2)] for each in failed]
    machine, data = results["machine"], results["data"]
    lines = [
        table([[cell.replace("|", "/") for cell in row] for row in rows]),
        "",
        f"{data['texts']:,} texts, {results['rounds']} rounds, {machine['threads']} threads on "
        f"{machine['cpu']} ({', '.join(machine['instruction_sets'])}), Python {machine['python']}. "
        "Bulk sorted is the same call with the texts sorted by length first, which any caller can "
        "do. MB is every file that is needed to load the model, tokenizer included, in 10^6 bytes.",
        "",
        "Versions and settings:",
        "",
    ]
    lines += [f"- **{each['title']}**: {each['settings']}. {_versions(each)}." for each in measured]
    return "\n".join(lines)


def _cells(each: dict[str, Any]) -> list[str]:
    cost, drop = each["cost"], each["drop"]
    return [
        each["title"],
        f"{each['macro_f1']['estimate']:.3f}",
        "" if drop is None else f"{drop['estimate']:.3f} [{drop['low']:.3f}, {drop['high']:.3f}]",
        f"{each['accuracy']['estimate']:.3f}",
        f"{each['bytes'] / 1e6:.1f}",
        f"{cost['batch1_ms_p50']:.2f}",
        f"{cost['batch32_ms_per_text']:.2f}",
        f"{cost['bulk_texts_per_second']:,.0f}",
        f"{cost['bulk_sorted_texts_per_second']:,.0f}",
    ]


def _versions(each: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in each["versions"].items())
