"""Steps that make a classifier smaller, and the recipes that order them."""

import paretext.compression.steps  # noqa: F401  (its files register)
from paretext.compression.build import Compressed, compress
from paretext.compression.recipe import Recipe, Version, preset
from paretext.compression.step import Material
from paretext.compression.steps.convolutional_student import ConvolutionalStudent
from paretext.compression.steps.distillation import Distillation
from paretext.compression.steps.layers import Layers
from paretext.compression.steps.low_rank import LowRankEmbeddings
from paretext.compression.steps.magnitude import MagnitudePruning
from paretext.compression.steps.structured import StructuredPruning
from paretext.compression.steps.vocabulary import Vocabulary
from paretext.compression.steps.width import Width
from paretext.graphs.quantisation import DynamicQuantization, StaticQuantization

__all__ = [
    "Compressed",
    "ConvolutionalStudent",
    "Distillation",
    "DynamicQuantization",
    "Layers",
    "LowRankEmbeddings",
    "MagnitudePruning",
    "Material",
    "Recipe",
    "StaticQuantization",
    "StructuredPruning",
    "Version",
    "Vocabulary",
    "Width",
    "compress",
    "preset",
]
