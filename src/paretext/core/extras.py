"""What is installed beside the runtime, asked without importing it."""

from __future__ import annotations

from importlib.util import find_spec

from paretext.core.errors import ParetextError


def require_training() -> None:
    """ParetextError, before anything is read, where only the runtime is installed."""
    if find_spec("torch") is None:
        raise ParetextError('torch is not installed; pip install "paretext[train]".')


def require_serving() -> None:
    """ParetextError where the service's libraries are not installed."""
    for name in ("fastapi", "uvicorn", "prometheus_client"):
        if find_spec(name) is None:
            raise ParetextError(f'{name} is not installed; pip install "paretext[serve]".')
