"""Large matrix products, one after the other."""

import torch


def main():
    torch.manual_seed(0)
    a = torch.randn(384, 384)
    product = torch.eye(384)
    norms = []
    for _power in range(12):
        product = product @ a / 20
        norm = product.norm().item()  # @inspect norm
        norms.append(norm)
    assert len(norms) == 12
