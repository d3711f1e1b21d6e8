"""Architectures that are known, a family or its kin in a file, registered where it is defined."""

from paretext.core.registry import import_every_file

import_every_file(__name__, __path__)
