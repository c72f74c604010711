"""Shared by the methods: tolerances, seeds, and adapters for Captum."""

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
"""The completeness gap up to which an attribution with a fixed number of steps has converged."""

MAX_STEPS = 1025
"""Maximum number of gradients of an adaptive path."""


class ScalarModule(nn.Module):
    """The scalar F as a module, for methods of Captum that hook the activations of a model.

    model: the module whose activations are hooked; scalar: the function F, which runs the model
    """

    def __init__(self, model: nn.Module, scalar: Callable[..., Tensor]):
        super().__init__()
        self.model, self.scalar = model, scalar

    def forward(self, *args: Any) -> Tensor:
        return self.scalar(*args)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds torch's random numbers inside the block and restores their state afterwards.

    Raises InputError for a seed that is not an integer of at least 0.
    """
    seed = integer("seed", seed, least=0)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Suppresses Captum's warnings about what is done here on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
