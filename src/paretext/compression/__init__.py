"""Steps that make a classifier smaller, and the recipes that order them."""

from paretext.compression.build import Compressed, compress
from paretext.compression.magnitude import MagnitudePruning
from paretext.compression.recipe import Recipe, Version
from paretext.export.quantisation import DynamicQuantization

__all__ = [
    "Compressed",
    "DynamicQuantization",
    "MagnitudePruning",
    "Recipe",
    "Version",
    "compress",
]
