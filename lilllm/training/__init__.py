"""The loop that trains a model, its checkpoints and its measurements."""
