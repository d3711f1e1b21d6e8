"""Steps that make a classifier smaller, and the recipes that order them."""

from paretext.compression.build import Compressed, compress
from paretext.compression.distillation import Distillation
from paretext.compression.layers import Layers
from paretext.compression.low_rank import LowRankEmbeddings
from paretext.compression.magnitude import MagnitudePruning
from paretext.compression.recipe import Recipe, Version, preset
from paretext.compression.recurrent_student import RecurrentStudent
from paretext.compression.step import Material
from paretext.compression.structured import StructuredPruning
from paretext.compression.vocabulary import Vocabulary
from paretext.compression.width import Width
from paretext.graphs.quantisation import DynamicQuantization, StaticQuantization

__all__ = [
    "Compressed",
    "Distillation",
    "DynamicQuantization",
    "Layers",
    "LowRankEmbeddings",
    "MagnitudePruning",
    "Material",
    "Recipe",
    "RecurrentStudent",
    "StaticQuantization",
    "StructuredPruning",
    "Version",
    "Vocabulary",
    "Width",
    "compress",
    "preset",
]
