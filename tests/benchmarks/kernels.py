"""The fused kernels beside FlashAttention's forward pass on the same GPU: `make bench-gpu`, or this module alone.

FlashAttention computes what a model computes, so its time is the price of one more forward pass. Beside it, Flash-
ColReduce, which computes one of our columns. The error is that of the worst column, relative to whole matrices in
float64, at the size that is timed (two heads of it).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, replace

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from attnlens.data._attention import Band

from ..kernels.dense import Case

TOKENS, HEADS, DIM = 8192, 32, 128

MOST = {"head sums": 2.0, "head sums, causal": 2.5, "rows through": 1.2, "rows through, causal": 1.2}
"""The target: so many times FlashAttention's forward pass."""

ROLLOUT_SECONDS = 0.5
"""The target for the last token's rollout through 8 layers of 32,768 tokens."""

ERROR = 1e-4
"""The target for the relative error."""


def milliseconds(run: Callable[[], object]) -> float:
    """The median on the GPU, after warming up."""
    from triton.testing import do_bench

    return do_bench(run, warmup=25, rep=100, return_mode="median")


def drawn(tokens: int, heads: int = HEADS, causal: bool = False, vocabulary: int = 2000) -> Case:
    """Random factors in bfloat16; one text of random words."""
    torch.manual_seed(0)
    query, key = (torch.randn(1, heads, tokens, DIM, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    codes = torch.randint(vocabulary, (1, tokens), device="cuda", dtype=torch.int32)
    return Case(query, key, DIM**-0.5, band=Band(None, 0) if causal else None, codes=codes)


# -- what is timed --------------------------------------------------------------------------------------------


def sums(case: Case):
    """All columns of `head_sums`."""
    from attnlens.kernels._triton_head_sums import head_sums

    return head_sums(case.query, case.key, scale=case.scale, band=case.band, codes=case.codes)


def through(case: Case, vectors: Tensor) -> Tensor:
    """Rows times every head."""
    from attnlens.kernels._triton_row_products import rows_through

    return rows_through(vectors, case.query, case.key, scale=case.scale, band=case.band)


def log_sums(case: Case) -> Tensor:
    """The log-sum-exp alone."""
    from attnlens.kernels._inputs import score_inputs
    from attnlens.kernels._triton_row_pass import row_lse

    return row_lse(score_inputs(case.query, case.key, case.scale, band=case.band))


def overlaps(case: Case) -> Tensor:
    """Hellinger's distances between all heads of two layers."""
    from attnlens.kernels._inputs import score_inputs
    from attnlens.kernels._triton_overlaps import head_overlaps

    layer = score_inputs(case.query, case.key, case.scale, band=case.band)
    return head_overlaps([layer, layer])[0]


def largest(case: Case) -> Tensor:
    """The 16 largest weights of every row and their keys."""
    from attnlens.kernels._inputs import score_inputs
    from attnlens.kernels._triton_top_keys import top_keys

    return top_keys(score_inputs(case.query, case.key, case.scale, band=case.band), 16)


def forward(case: Case, backend: SDPBackend) -> Callable[[], Tensor]:
    """PyTorch's attention by one backend."""
    value = torch.randn_like(case.key)

    def run() -> Tensor:
        with sdpa_kernel(backend):
            return F.scaled_dot_product_attention(
                case.query, case.key, value, is_causal=case.band is not None
            )

    return run


def column_sum(case: Case) -> Callable[[], Tensor] | None:
    """Flash-ColReduce, where it is installed."""
    try:
        from flash_colreduce import flash_colreduce
    except ImportError:
        return None
    return lambda: flash_colreduce(case.query, case.key, "sum", case.band is not None, case.scale)


def rollout_seconds(tokens: int, layers: int) -> float:
    """The last token's rollout through `layers` causal layers, on factors that are on the GPU."""
    case = drawn(tokens, causal=True)

    def run() -> Tensor:
        vector = torch.zeros(1, 1, 1, tokens, device="cuda")
        vector[..., -1] = 1.0
        for _ in range(layers):
            vector = 0.5 * vector + 0.5 * through(case, vector).mean(1, keepdim=True)
        return vector

    run()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000


# -- its error ------------------------------------------------------------------------------------------------


def error_of_sums(case: Case) -> float:
    """The largest relative error of a column over two heads."""
    case = replace(case, query=case.query[:, :2], key=case.key[:, :2])
    found = asdict(sums(case))
    expected = replace(case, codes=None).sums() | repeats(case)
    scale = expected | {"signed_distance": expected["distance"]}
    errors = [(found[name] - expected[name]).abs().amax() / scale[name].abs().amax() for name in expected
              if bool(scale[name].any())]  # fmt: skip
    return float(torch.stack(errors).amax())


def repeats(case: Case) -> dict[str, Tensor]:
    """`duplicate` and `induction` of one text from whole matrices."""
    codes, weights = case.codes[0], case.weights()
    before = torch.cat([codes.new_full((1,), -1), codes[:-1]])
    apart = torch.arange(len(codes), device="cuda") - torch.arange(len(codes), device="cuda")[:, None]
    duplicate = (codes[:, None] == codes) & (apart != 0)
    induction = (codes[:, None] == before) & (apart <= 0)
    return {"duplicate": (weights * duplicate).sum((2, 3)), "induction": (weights * induction).sum((2, 3))}


def error_of_products(case: Case, vectors: Tensor) -> float:
    """The error of a product, relative to its largest entry, over two heads."""
    case = replace(case, query=case.query[:, :2], key=case.key[:, :2])
    expected = vectors.double() @ case.weights()
    return float((through(case, vectors) - expected).abs().amax() / expected.abs().amax())


# -- the table ------------------------------------------------------------------------------------------------


def add_rows(table: Table, causal: bool) -> bool:
    """Adds the rows of one mask; whether they meet their targets."""
    case, mask = drawn(TOKENS, causal=causal), ", causal" if causal else ""
    flash = milliseconds(forward(case, SDPBackend.FLASH_ATTENTION))
    cudnn = milliseconds(forward(case, SDPBackend.CUDNN_ATTENTION))
    row, rows = (torch.rand(1, 1, count, TOKENS, device="cuda") for count in (1, 16))
    timed = {
        "head sums": (lambda: sums(case), error_of_sums(case)),
        "log-sum-exp": (lambda: log_sums(case), None),
        "rows through": (lambda: through(case, row), error_of_products(case, row)),
        "16 rows through": (lambda: through(case, rows), error_of_products(case, rows)),
        "overlaps of two layers": (lambda: overlaps(case), None),
        "16 largest keys": (lambda: largest(case), None),
        "Flash-ColReduce": (column_sum(case), None),
        "FlashAttention": (flash, None),
        "cuDNN's attention": (cudnn, None),
    }
    met = True
    for name, (run, error) in timed.items():
        if run is None:
            table.add_row(name + mask, "not installed")
            continue
        time = milliseconds(run) if callable(run) else run
        met &= time / flash <= MOST.get(name + mask, float("inf")) and (error is None or error < ERROR)
        shown = "" if error is None else f"{error:.1e}"
        table.add_row(name + mask, f"{time:.3f}", f"{time / flash:.2f}", f"{time / cudnn:.2f}", shown)
    return met


def run() -> tuple[Table, bool]:
    """The table, and whether every target is met; needs a GPU."""
    title = f"{TOKENS} tokens, {HEADS} heads of {DIM}, bfloat16, {torch.cuda.get_device_name()}"
    table = Table("", "ms", "x FlashAttention", "x cuDNN", "relative error", title=title)
    met = [add_rows(table, causal) for causal in (False, True)]
    seconds = rollout_seconds(32768, 8)
    table.add_row("rollout of the last of 32,768 tokens, 8 layers", f"{seconds * 1000:.0f}")
    table.add_row("the same of 131,072 tokens, 2 layers", f"{rollout_seconds(131072, 2) * 1000:.0f}")
    return table, all(met) and seconds <= ROLLOUT_SECONDS


def main() -> None:
    if not torch.cuda.is_available():
        sys.exit("the kernels are timed on a GPU, and this machine has none")
    table, met = run()
    Console(width=110).print(table)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
