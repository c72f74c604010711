"""Why a model predicted what it did for one input: `debug` returns a `Diagnosis`."""

from ._counterfactual import Counterfactual
from ._debug import Diagnosis, debug
from ._findings import Finding, Limits

__all__ = ["Diagnosis", "Finding", "Counterfactual", "Limits", "debug"]
