"""The matrix product and its two gradients, on NumPy's arrays: two products more."""

from __future__ import annotations

import numpy as np

from lilllm.autograd.numbers import Numbers, Pullback, unbroadcast


def matmul(x: Numbers, y: Numbers) -> tuple[Numbers, Pullback, Pullback]:
    """Z = X Y with NumPy's rules for vectors, matrices and stacks of matrices; and the pullbacks to X and to Y.

    dX = dZ Y^T and dY = X^T dZ, each summed over broadcast axes.
    """
    if not (x.ndim and y.ndim):
        raise ValueError(f"cannot multiply shapes {x.shape} and {y.shape} as matrices: a number is multiplied with *")
    try:
        z = x @ y
    except ValueError:
        raise ValueError(
            f"cannot multiply shapes {x.shape} and {y.shape}: inner sizes must agree, others be equal or 1"
        ) from None
    # Vectors as matrices of one row or one column, so that one formula serves.
    row, column = x.ndim == 1, y.ndim == 1
    rows = x[None, :] if row else x
    columns = y[:, None] if column else y

    def widen(g: Numbers) -> Numbers:
        g = np.expand_dims(g, -1) if column else g
        return np.expand_dims(g, -2) if row else g

    def pull_x(g: Numbers) -> Numbers:
        return unbroadcast(widen(g) @ np.swapaxes(columns, -1, -2), rows.shape).reshape(x.shape)

    def pull_y(g: Numbers) -> Numbers:
        return unbroadcast(np.swapaxes(rows, -1, -2) @ widen(g), columns.shape).reshape(y.shape)

    return z, pull_x, pull_y
