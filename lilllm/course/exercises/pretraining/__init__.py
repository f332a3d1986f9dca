"""The exercises on pretraining, in their order: pack, targets, rows, fill_in, smoothed, bits_per_byte, average."""
