"""Classifiers: a network, its tokenizer, its label names."""
