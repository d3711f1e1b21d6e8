"""What a run leaves for people to read: figures, one self-contained page, the model card."""
