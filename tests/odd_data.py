"""Sets of texts that nobody would call normal, each a list of (text, label)."""

from __future__ import annotations

import random
from collections.abc import Callable

Rows = list[tuple[str, str]]


def many_classes(k: int, each: int = 5) -> Rows:
    chance = random.Random(k)
    words = ["going", "goes", "go", "card", "cards", "money", "pay", "paid", "pays", "why", "when"]
    return [
        (" ".join([*chance.choices(words, k=6), f"topic{i}", str(n)]), f"class {i}")
        for i in range(k)
        for n in range(each)
    ]


def labelled(texts: list[str]) -> Rows:
    return [(text, "ab"[i % 2]) for i, text in enumerate(texts)]


SETS: dict[str, Callable[[], Rows]] = {
    "2 classes": lambda: many_classes(2, 30),
    "77 classes": lambda: many_classes(77),
    "200 classes": lambda: many_classes(200),
    "one text a class": lambda: many_classes(30, 1),
    "one class with one text": lambda: [*many_classes(2, 20), ("odd", "rare")],
    "all texts alike": lambda: labelled(["the same words again"] * 20),
    "all alike but one": lambda: labelled(["the same"] * 19 + ["not the same at all"]),
    "one class's texts alike": lambda: [("the same", "a")] * 9 + many_classes(1, 9),
    "one word each": lambda: labelled([f"word{i}" for i in range(40)]),
    "one word each, many": lambda: labelled([f"word{i}" for i in range(1200)]),
    "nothing shared": lambda: labelled([chr(0x3B1 + i) * 3 for i in range(24)]),
    "one letter each": lambda: labelled(list("abcdefgh") * 3),
    "100,000 characters": lambda: labelled([f"{i} word" * 17_000 for i in range(12)]),
    "100,000 characters, one word": lambda: labelled([str(i) * 100_000 for i in range(12)]),
    "100,000 characters, no word": lambda: labelled(["!" * 100_000 + f" a{i}" for i in range(12)]),
    "100,000 Han characters": lambda: labelled(["高兴" * 50_000 + str(i) for i in range(6)]),
    "emoji alone": lambda: labelled(["😍😍", "💔", "👩‍👧 😡", "🇩🇪🇫🇷", "1️⃣"] * 4),
    "digits alone": lambda: labelled([str(i) for i in range(30)]),
    "right to left": lambda: labelled(["אני שמח מאוד היום", "كَتَبَ الوَلَدُ", "\u202eمرحبا"] * 6),
    "marks apart": lambda: labelled(["e\u0301", "\u0301\u0301", "क्", "्"] * 5),
    "very different lengths": lambda: labelled(["a", "b c"] * 10 + ["word " * 20_000]),
}
