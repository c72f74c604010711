"""Whether an attribution is true: what the model does when parts are removed, when the input or the weights change.

| function | question |
| --- | --- |
| `faithfulness` | do deletion and insertion in the order of the scores change the output most? |
| `infidelity`, `sensitivity` | do scores predict the effect of perturbations, and stay under small changes? |
| `sanity_check` | do they depend on the parameters of the model? |
| `agreement` | do several methods rank the parts alike? |
"""

from ._agreement import agreement
from ._faithfulness import Curves, curves, faithfulness
from ._infidelity import infidelity, sensitivity
from ._sanity import sanity_check

__all__ = ["Curves", "agreement", "curves", "faithfulness", "infidelity", "sanity_check", "sensitivity"]
