"""Where the kernels run: on a GPU, or in Triton's interpreter, which `tests/conftest.py` chooses."""

import pytest
import torch


@pytest.fixture(autouse=True)
def needs_triton():
    pytest.importorskip("triton", reason="Triton has no build for this system")


@pytest.fixture(scope="session")
def device() -> torch.device:
    """The GPU where there is one, else main memory and the interpreter."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
