"""Rules that see a weight as a matrix: Adafactor (row and column statistics), Shampoo (preconditioners on both
sides), Muon (an orthogonal step).

State a parameter of n x m: Adam 2nm numbers, Adafactor n + m, Shampoo n^2 + m^2 and their roots, Muon nm.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from lilllm.optim.base import Params, Rule
from lilllm.optim.options import ALLOWED, TWO_FLOORS, Allowed


class Adafactor(Rule):
    """Adam's second moment as an outer product of its row and column means; no first moment; steps relative to the
    weight.

        beta2_t = 1 - t^beta2_decay
        V ~ R C / mean(R)    R, C: moving averages of the row and column means of g^2
        U = g / sqrt(max(V, eps1^2));   U = U / max(1, rms(U) / d)
        w = w - max(eps2, rms(w)) * min(lr, 1 / sqrt(t)) * U

    Vectors keep the full second moment. ``eps`` is (eps1, eps2); None for eps1 is the machine epsilon of the dtype, as
    in torch.

    Source: Shazeer & Stern 2018, arXiv:1804.04235, algorithms 4 and 5.
    """

    allowed: ClassVar[Allowed] = ALLOWED | {"eps": TWO_FLOORS}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        *,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay)

    def shapes(self, p: Tensor, group: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        if p.dim() < 2:
            return {"variance": tuple(p.shape)}
        return {"row_var": (*p.shape[:-1], 1), "col_var": (*p.shape[:-2], 1, p.shape[-1])}

    def update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        matrix = p.dim() > 1
        if not state:
            state.update(step=0, **{name: p.new_zeros(shape) for name, shape in self.shapes(p, group).items()})
        state["step"] += 1
        t, lr = state["step"], group["lr"]
        eps1, eps2 = group["eps"]
        eps1 = torch.finfo(p.dtype).eps if eps1 is None else eps1
        forget = t ** group["beta2_decay"]
        size = max(eps2, rms(p)) * min(lr, t**-0.5)
        if group["weight_decay"]:
            p.mul_(1 - lr * group["weight_decay"])
        square = grad.square()
        if matrix:
            row = state["row_var"].lerp_(square.mean(-1, keepdim=True), forget)
            col = state["col_var"].lerp_(square.mean(-2, keepdim=True), forget)
            variance = row @ col / row.mean(-2, keepdim=True).clamp_(min=eps1)
        else:
            variance = state["variance"].lerp_(square, forget).clone()
        step = variance.clamp_(min=eps1 * eps1).rsqrt_().mul_(grad)
        p.add_(step, alpha=-size / max(1.0, rms(step) / group["d"]))


class Shampoo(Rule):
    """Precondition each axis of a tensor by the inverse 2k-th root of its accumulated second moment, k axes.

        L = L + G G^T;  R = R + G^T G;   W = W - lr * L^(-1/4) G R^(-1/4)       (a matrix: k = 2, exponent -1/4)

    The paper's rule for any number k of axes: exponent -1/(2k), so that the step's size does not depend on the
    gradient's. A vector has one preconditioner, a single number is a vector of one. Axes longer than ``max_size`` are
    left alone and not counted in k. ``eps`` starts each preconditioner at eps * I. Roots are computed by an
    eigendecomposition in float64 every ``every`` steps: that is the cost of the method, (n^3 + m^3). ``momentum`` and
    ``weight_decay`` (L2) are ours: the first averages the preconditioned step.

    Source: Gupta, Koren, Singer 2018, arXiv:1802.09568, algorithms 1 and 2.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-1,
        *,
        momentum: float = 0.0,
        eps: float = 1e-4,
        every: int = 1,
        max_size: int = 2048,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params, lr=lr, momentum=momentum, eps=eps, every=every, max_size=max_size, weight_decay=weight_decay
        )

    def shapes(self, p: Tensor, group: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        sizes = enumerate(p.shape or (1,))
        return {f"{what}_{i}": (n, n) for i, n in sizes if n <= group["max_size"] for what in ("moment", "root")}

    def update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if group["weight_decay"]:
            grad = grad.add(p, alpha=group["weight_decay"])
        step = grad if grad.dim() else grad.view(1)
        axes = [i for i, n in enumerate(step.shape) if n <= group["max_size"]]
        if not state:
            state["step"] = 0
            for i in axes:
                state[f"moment_{i}"] = group["eps"] * torch.eye(step.shape[i], dtype=p.dtype, device=p.device)
        for i, flat in [(i, step.movedim(i, 0).reshape(step.shape[i], -1)) for i in axes]:  # (n_i, the rest)
            moment = state[f"moment_{i}"].addmm_(flat, flat.T)
            if state["step"] % group["every"] == 0:
                state[f"root_{i}"] = inverse_root(moment, 2 * len(axes))
            step = torch.tensordot(state[f"root_{i}"], step, dims=([1], [i])).movedim(0, i)
        state["step"] += 1
        step = step.view_as(p) if p.dim() == 0 else step
        if group["momentum"]:
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(p)
            step = state["momentum_buffer"].mul_(group["momentum"]).add_(step)
        p.add_(step, alpha=-group["lr"])


class Muon(Rule):
    """Momentum, orthogonalised: every direction of a matrix gets a step of about the same size.

        B = momentum B + (1 - momentum) G;   O = newton_schulz(G + momentum (B - G))
        W = W - lr * weight_decay * W - lr * sqrt(max(1, rows / columns)) * O

    Only for matrices inside the network: embeddings, heads, gains and biases go to AdamW.

    ``ns_dtype``: of the orthogonalisation; bfloat16 is what GPUs are fast in, and rounds otherwise on each processor.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; Bernstein & Newhouse 2024,
    arXiv:2409.20325. Scale by "match_rms_adamw" (0.2 sqrt(max(rows, columns))): Liu et al. 2025, arXiv:2502.16982.
    """

    keeps = ("momentum_buffer",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        *,
        momentum: float = 0.95,
        nesterov: bool = True,
        weight_decay: float = 0.1,
        ns_steps: int = 5,
        ns_dtype: torch.dtype = torch.bfloat16,
        match_rms_adamw: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            nesterov=nesterov,
            weight_decay=weight_decay,
            ns_steps=ns_steps,
            ns_dtype=ns_dtype,
            match_rms_adamw=match_rms_adamw,
        )

    def check_group(self, group: dict[str, Any]) -> None:
        super().check_group(group)
        for p in group["params"]:
            if p.dim() != 2:
                raise ValueError(
                    f"Muon takes matrices, got shape {tuple(p.shape)}; give gains, biases and embeddings to AdamW, and "
                    "make a convolution's weight a matrix (a parameter of shape (out, in * height * width))"
                )
        if group.get("adjust_lr_fn") == "match_rms_adamw" and not group["match_rms_adamw"]:
            raise ValueError("Muon: this state is of torch's adjust_lr_fn='match_rms_adamw'; set match_rms_adamw=True")

    def update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            state["momentum_buffer"] = torch.zeros_like(p)
        momentum, (rows, columns) = group["momentum"], p.shape
        average = state["momentum_buffer"].lerp_(grad, 1 - momentum)
        look = grad.lerp(average, momentum) if group["nesterov"] else average
        step = newton_schulz(look, steps=group["ns_steps"], dtype=group["ns_dtype"])
        scale = 0.2 * max(rows, columns) ** 0.5 if group["match_rms_adamw"] else max(1.0, rows / columns) ** 0.5
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.add_(step, alpha=-group["lr"] * scale)


def newton_schulz(g: Tensor, *, steps: int = 5, eps: float = 1e-7, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """A matrix with the singular vectors of ``g`` and singular values near 1 (between about 0.7 and 1.2), in ``dtype``.

    Each step applies the odd polynomial 3.4445 s - 4.7750 s^3 + 2.0315 s^5 to every singular value s, by matrix
    products alone.
    """
    x = g.to(dtype)
    if tall := g.shape[0] > g.shape[1]:
        x = x.T
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.T if tall else x


def inverse_root(a: Tensor, power: int) -> Tensor:
    """``a^(-1/power)`` of a symmetric positive semidefinite matrix, through its eigenvalues in float64.

    Eigenvalues below the rounding error of ``a`` (n * machine epsilon * the largest) are taken to be that error: they
    may have come out as 0 or less, and their roots would blow up noise.
    """
    values, vectors = torch.linalg.eigh(a.double())
    least = max(len(a) * torch.finfo(a.dtype).eps * values[-1].item(), 1e-30)
    return ((vectors * values.clamp(min=least) ** (-1.0 / power)) @ vectors.T).to(a.dtype)


def rms(x: Tensor) -> float:
    """Root of the mean square of all elements."""
    return x.norm(2).item() / x.numel() ** 0.5
