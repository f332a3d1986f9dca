"""The parts of a transformer: each the formula as it reads, then the fast form, equal to it."""
