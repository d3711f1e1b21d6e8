"""export(): a classifier becomes an artifact, once its answers agree with PyTorch's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paretext.graphs.artifact_writer import export

__all__ = ["export"]


def __getattr__(name: str) -> Any:
    """`export` brings PyTorch and onnx; the settings of a quantisation are read without them."""
    if name == "export":
        from paretext.graphs.artifact_writer import export

        return export
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
