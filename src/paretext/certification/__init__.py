"""Certificates: what compression changed, clause by clause, on held-out texts."""
