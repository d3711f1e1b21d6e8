"""Moved to paretext.encoder; this file goes away, import from there."""

from paretext.encoder import *  # noqa: F403
