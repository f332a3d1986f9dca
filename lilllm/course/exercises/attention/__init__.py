"""The exercises on attention, in their order: mask, scaled, heads, additive, cross."""
