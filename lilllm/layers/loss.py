"""The loss of a language model, without the logits of every token in memory at once.

    loss = mean over tokens of  log(sum_v exp(z_v)) - z_target,    z = W x

Logits are the largest tensor of a small model: (B, T, V) floats, once as themselves, once as log-probabilities, once as
gradient. Their gradient is known as soon as they are, softmax(z) minus one at the target: so the fast form takes tokens
in chunks, works out loss and gradients of x and W of one chunk, and forgets its logits. Same products, same FLOPs.

Read in order:  cross_entropy (reference, as the formula reads)
                linear_cross_entropy (fast: from hidden states, chunk by chunk)
Shapes:         N tokens, C d_model, V vocab
Numerics:       logits in the dtype of x, softmax and sums in float32 (float64 stays)
Source:         Hsu et al. 2024 ("Liger Kernel"), arXiv:2410.10989 (its FusedLinearCrossEntropy)
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

LOGITS = 2**21  # numbers of one chunk: 8 MB, about what a cache holds
LOGITS_CUDA = 2**26  # on a GPU, where it is calls that cost: half a GB, with what becomes of them
IGNORED = -100  # the target that does not count
FEWEST = 256  # rows of a chunk, whatever the vocabulary: W is read once a chunk, and should be worth it


def cross_entropy(
    logits: Float[Tensor, "N V"],
    targets: Int[Tensor, " N"],
    *,
    ignore_index: int = IGNORED,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Mean of -log softmax(z)[target] over the tokens whose target is not ``ignore_index``; NaN if there is none.

    ``label_smoothing`` e is the share of the target that goes to all V tokens alike: (1 - e) times the loss above, and
    e times the mean of -log softmax(z) over the vocabulary (Szegedy et al. 2016, arXiv:1512.00567, section 7).

    >>> cross_entropy(torch.zeros(2, 4), torch.tensor([3, -100]))  # ln 4
    tensor(1.3863)
    """
    kept = targets != ignore_index
    logits, targets = _wide(logits[kept]), targets[kept].long()
    right = logits.gather(-1, targets[:, None])[:, 0]
    return (logits.logsumexp(-1) - (1 - label_smoothing) * right - label_smoothing * logits.mean(-1)).mean()


def linear_cross_entropy(
    x: Float[Tensor, "N C"],
    weight: Float[Tensor, "V C"],
    targets: Int[Tensor, " N"],
    *,
    ignore_index: int = IGNORED,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """``cross_entropy(x @ weight.T, targets)``, a chunk of tokens at a time.

    With autocast the products are of its dtype, as those of `torch.nn.functional.linear` are; the gradient of
    ``weight`` is summed over chunks in float32. Gradients have no gradients here. Under torch.func (per-example
    gradients, for one) all logits are made at once.

    Holds: loss and gradients equal the reference's; FLOPs too.

    >>> linear_cross_entropy(torch.zeros(2, 3), torch.ones(4, 3), torch.tensor([3, 1]))
    tensor(1.3863)
    """
    kind = x.device.type
    if torch._C._are_functorch_transforms_active():  # they go into plain operations only
        logits = _wide(F.linear(x, weight))
        return F.cross_entropy(logits, targets.long(), ignore_index=ignore_index, label_smoothing=label_smoothing)
    if not torch.is_grad_enabled():  # or they would be worked out for nothing
        x, weight = x.detach(), weight.detach()
    if not torch.amp.is_autocast_available(kind):  # on the meta device
        return _LinearCrossEntropy.apply(x, weight, targets, ignore_index, label_smoothing)
    if torch.is_autocast_enabled(kind):
        low = torch.get_autocast_dtype(kind)
        x, weight = x.to(low), weight.to(low)
    with torch.autocast(kind, enabled=False):
        return _LinearCrossEntropy.apply(x, weight, targets, ignore_index, label_smoothing)


def _wide(x: Tensor) -> Tensor:
    """float32 of anything narrower; float64 as it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, targets: Tensor, ignore_index: int, label_smoothing: float
    ) -> Tensor:
        of_x, of_weight = ctx.needs_input_grad[:2]
        kept = targets != ignore_index
        wide = torch.promote_types(x.dtype, torch.float32)
        share = kept.to(wide) / kept.sum()  # of each token in the mean, (N,)
        # A share of 1/N would make what float16 cannot hold, long before a loss's scale could lift it in backward.
        lift = kept.sum().to(wide) if x.dtype == torch.float16 else None
        safe = targets.where(kept, 0).long()
        dx = torch.empty_like(x) if of_x else None
        dw = torch.zeros_like(weight, dtype=wide) if of_weight else None
        loss = share.new_zeros(())
        rows = max(FEWEST, (LOGITS_CUDA if x.is_cuda else LOGITS) // len(weight))
        for start in range(0, len(x), rows):
            chunk = slice(start, start + rows)
            index, part = safe[chunk, None], share[chunk, None]
            log_p = torch.log_softmax(x[chunk] @ weight.T, -1, dtype=wide)  # (n, V)
            loss -= (log_p.gather(-1, index) * part).sum() * (1 - label_smoothing)
            if label_smoothing:
                loss -= (log_p.mean(-1, keepdim=True) * part).sum() * label_smoothing
            if of_x or of_weight:
                part = part if lift is None else part * lift
                dz = log_p.exp_().mul_(part).scatter_add_(-1, index, -part * (1 - label_smoothing))
                if label_smoothing:
                    dz -= part * (label_smoothing / len(weight))
                dz = dz.to(x.dtype)
                if dx is not None:
                    torch.mm(dz, weight, out=dx[chunk])
                if dw is not None and dz.dtype == dw.dtype:
                    torch.addmm(dw, dz.T, x[chunk], out=dw)  # in place; FLOP counters pass over addmm_
                elif dw is not None:
                    dw += dz.T @ x[chunk]
        ctx.save_for_backward(dx, dw if dw is None or lift is not None else dw.to(weight.dtype), lift)
        ctx.dtype = weight.dtype
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        dx, dw, lift = ctx.saved_tensors
        if lift is not None:
            grad = grad / lift
            return None if dx is None else dx * grad, None if dw is None else (dw * grad).to(ctx.dtype), *[None] * 3
        return None if dx is None else dx * grad, None if dw is None else dw * grad, None, None, None
