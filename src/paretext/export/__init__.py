"""export(): a classifier becomes an artifact, once its answers agree with PyTorch's."""

from paretext.export.artifact_writer import export

__all__ = ["export"]
