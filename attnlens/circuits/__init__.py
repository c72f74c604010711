"""What heads do, by intervention: `ablate` runs a model without some of them, `head_effects` over many inputs."""

from ._ablation import Ablation, ablate
from ._head_effects import head_effects

__all__ = ["Ablation", "ablate", "head_effects"]
