"""Diagnosis of one prediction: `debug` returns a `Diagnosis` with attributions, a counterfactual and findings."""

from ._counterfactual import Counterfactual
from ._debug import Diagnosis, debug
from ._findings import Finding, Limits

__all__ = ["Diagnosis", "Finding", "Counterfactual", "Limits", "debug"]
