"""Whole models, made of `lilllm.layers`."""
