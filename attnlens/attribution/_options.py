"""What the methods share: tolerances, seeds, and what Captum asks for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import integer

TOLERANCE = 0.01
"""Gap and estimated error up to which an adaptive attribution has converged."""

FIXED_TOLERANCE = 0.05
"""The completeness gap up to which a fixed number of steps was enough."""

MAX_STEPS = 1025
"""Gradients that an adaptive path may cost."""


class ScalarModule(nn.Module):
    """The scalar F as a module, as those methods of Captum want it that hook the activations of a model.

    model: the module whose activations they hook; scalar: the function F, which runs it
    """

    def __init__(self, model: nn.Module, scalar: Callable[..., Tensor]):
        super().__init__()
        self.model, self.scalar = model, scalar

    def forward(self, *args: Any) -> Tensor:
        return self.scalar(*args)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """torch's random numbers from a seed for a while; afterwards as if nothing had been drawn.

    Raises InputError for a seed that is no whole number of at least 0.
    """
    seed = integer("seed", seed, least=0)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Without Captum's warnings of what is done here on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
