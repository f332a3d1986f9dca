"""The exercises on positions, in their order: sinusoidal, rotate, convert, alibi."""
