"""The search for a version within a budget."""
