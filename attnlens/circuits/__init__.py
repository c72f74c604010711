"""What heads do, by intervention: `ablate` runs a model without some of them."""

from ._ablation import Ablation, ablate

__all__ = ["Ablation", "ablate"]
