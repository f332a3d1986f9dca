"""Text from a trained model: samplers, generation, and a model that speaks."""
