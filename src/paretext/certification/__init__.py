"""Certificates: what compression changed, clause by clause, on held-out texts."""

import paretext.certification.clauses  # noqa: F401  (its files register, whoever comes first)
