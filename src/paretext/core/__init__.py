"""Errors, progress, settings, files, locks: what every room stands on."""
