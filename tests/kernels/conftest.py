"""Without a GPU the kernels run in Triton's interpreter, which must be chosen before Triton is imported."""

import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(autouse=True)
def needs_triton():
    pytest.importorskip("triton", reason="Triton has no build for this system")


@pytest.fixture(scope="session")
def device():
    """The GPU where there is one, else main memory and the interpreter."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
