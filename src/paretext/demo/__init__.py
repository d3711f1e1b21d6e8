"""What `paretext demo` runs on: generated texts and a small encoder, so that it needs no download.

`corpus` writes the labelled texts, `model` builds the tokenizer and the untrained encoder for
them. Everything after that is the ordinary path: the same training, compression, export and
certificate as for your own data.
"""
