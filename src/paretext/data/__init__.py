"""Labelled texts: reading, checking, splitting them."""
