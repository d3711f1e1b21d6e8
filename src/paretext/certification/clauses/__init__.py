"""What a budget may limit: one file a clause, registered where it is defined."""

from paretext.core.registry import import_every_file

import_every_file(__name__, __path__)
