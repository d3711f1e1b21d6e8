"""results -> Markdown, and into the marked section of a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    lines = [_row(head), "|" + "---|" * len(head), *(_row(_cells(each)) for each in measured)]
    lines += [_row([each["title"], each["error"], *[""] * (len(head) - 2)]) for each in failed]
    machine, data = results["machine"], results["data"]
    lines += [
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


def write_section(page: Path, name: str, text: str, title: str) -> None:
    """Replace what stands between <!-- name:start --> and <!-- name:end -->, or append it."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    section = f"{start}\n{text.strip()}\n{end}"
    page.parent.mkdir(parents=True, exist_ok=True)
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    if start in old and end in old:
        before, rest = old.split(start, 1)
        new = before + section + rest.split(end, 1)[1]
    else:
        new = f"{old.rstrip()}\n\n## {title}\n\n{section}\n".lstrip()
    page.write_text(new, encoding="utf-8")


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


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
