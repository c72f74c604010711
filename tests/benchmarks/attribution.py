"""Token attributions: steps where they are needed against fifty everywhere, and what else explains a text.

transformers-interpret and shap are measured where they are importable, as `make bench` sees to; what they divide up is
another number (the class's probability; Shapley values of masked words), so their scores have no error beside these.
Both are called as their users call them, one text after the other.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import torch
from captum.attr import LayerIntegratedGradients
from rich.table import Table
from torch import Tensor

import attnlens as al

from .measure import cpu_seconds, ratio

TOLERANCE, COARSE = 0.02, 0.05

TARGET = 0.7
"""CPU seconds against Captum's fifty steps, which tell nothing of the error of single scores. Half of it would do for
scores that are mostly right: an estimated error that held of all but one of 32,000 paths is what the rest pays for."""

FASTER = {"transformers-interpret": 2, "shap": 8}
"""How many times the CPU seconds of the coarse tolerance, whose gap is still far below theirs."""

SENTENCES = tuple(
    " ".join(sentence.split())
    for sentence in """
    - one long string of cliches .
    - if you 've ever entertained the notion of doing what the title of this film implies , what sex
      with strangers actually shows may put you off the idea forever .
    - k-19 exploits our substantial collective fear of nuclear holocaust to generate cheap hollywood
      tension .
    - it 's played in the most straight-faced fashion , with little humor to lighten things up .
    - there is a fabric of complex ideas here , and feelings that profoundly deepen them .
    - although laced with humor and a few fanciful touches , the film is a refreshingly serious look at
      young women .
    - it all feels like a monty python sketch gone horribly wrong .
    - it 's a stunning lyrical work of considerable force and truth .
    - however it may please those who love movies that blare with pop songs , young science fiction fans
      will stomp away in disgust .
    - broomfield turns his distinctive ` blundering ' style into something that could really help clear
      up the case .
    - although german cooking does not come readily to mind when considering the world 's best cuisine ,
      mostly martha could make deutchland a popular destination for hungry tourists .
    - a very well-made , funny and entertaining picture .
    - a valueless kiddie paean to pro basketball underwritten by the nba .
    - all the amped-up tony hawk-style stunts and thrashing rap-metal ca n't disguise the fact that ,
      really , we 've been here , done that .
    - a swashbuckling tale of love , betrayal , revenge and above all , faith .
    - there ought to be a directing license , so that ed burns can have his revoked .
    """.split("\n    - ")[1:]
)
"""The first sixteen sentences of SST-2's validation part."""

REFERENCE = 4000
"""Evenly spread steps of the reference, which takes some minutes."""

PEERS = {"transformers-interpret": "transformers_interpret", "shap": "shap"}


class Sentences:
    """The embedded sentiment model and its sentences, each for the class that it is given."""

    def __init__(self) -> None:
        self.lens = al.load("sentiment")
        self.model, self.tokenizer = self.lens.model, self.lens.tokenizer
        self.targets = [trace.prediction.index for trace in self.lens.traces(SENTENCES)]
        self.passed = 0
        self.model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, module: object, args: tuple, kwargs: dict) -> None:
        inputs = [*args, *kwargs.values()]
        self.passed += next(len(x) for x in inputs if isinstance(x, Tensor))

    def logits(self, ids: Tensor) -> Tensor:
        return self.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits

    def adaptive(self, tolerance: float = TOLERANCE) -> list[Tensor]:
        """All sentences in one call: `[token]` each."""
        found = self.lens.attribute(list(SENTENCES), tolerance=tolerance)
        self.gaps = [one.gap for one in found]
        return [one.scores for one in found]

    def captum(
        self, n_steps: int = 50, method: str = "gausslegendre", rows: int | None = None
    ) -> list[Tensor]:
        """A sentence at a time, all its points in one batch."""
        scores, self.gaps = [], []
        gradients = LayerIntegratedGradients(self.logits, self.model.get_input_embeddings())
        for sentence, target in zip(SENTENCES, self.targets):
            ids = self.tokenizer(sentence, return_tensors="pt")["input_ids"]
            blank = torch.full_like(ids, self.tokenizer.pad_token_id)
            blank[:, [0, -1]] = ids[:, [0, -1]]
            parts = gradients.attribute(
                ids, blank, target=target, n_steps=n_steps, method=method, internal_batch_size=rows
            )
            scores.append(parts.double().sum(-1)[0])
            self.gaps.append(self._gap(ids, blank, target, float(scores[-1].sum())))
        return scores

    @torch.no_grad()
    def _gap(self, ids: Tensor, blank: Tensor, target: int, total: float) -> float:
        ends = self.logits(torch.cat([blank, ids]))[:, target].tolist()
        return abs(total - (ends[1] - ends[0])) / abs(ends[1] - ends[0])

    def interpret(self) -> None:
        """The explainer of transformers-interpret: Captum's fifty steps for the probability."""
        from transformers_interpret import SequenceClassificationExplainer

        explainer, self.gaps = SequenceClassificationExplainer(self.model, self.tokenizer), []
        for sentence in SENTENCES:
            explainer(sentence)
            total, delta = (
                float(explainer.attributions._attributions.sum()),
                float(explainer.attributions.delta),
            )
            self.gaps.append(abs(delta) / abs(total - delta))

    def shap(self) -> None:
        """The text explainer of shap with its own settings: up to 500 masked texts each."""
        import shap

        @torch.no_grad()
        def logits(texts: list[str]) -> object:
            encoded = self.tokenizer([str(text) for text in texts], return_tensors="pt", padding=True)
            return self.model(**encoded).logits.numpy()

        explainer, self.gaps = shap.Explainer(logits, self.tokenizer, silent=True), []
        for sentence in SENTENCES:
            explainer([sentence])


def ways(sentences: Sentences) -> dict[str, Callable[[], object]]:
    """What is measured, by name; peers only where they are installed."""
    found = {
        "attnlens": sentences.adaptive,
        f"attnlens, {COARSE:.0%}": lambda: sentences.adaptive(COARSE),
        "captum, 50 steps": sentences.captum,
    }
    peers = {"transformers-interpret": sentences.interpret, "shap": sentences.shap}
    return found | {name: run for name, run in peers.items() if importlib.util.find_spec(PEERS[name])}


def worst_error(scores: list[Tensor], reference: list[Tensor]) -> float:
    """The largest over texts of sum |score - reference| / sum |reference|."""
    return max(float((a.double() - b).abs().sum() / b.abs().sum()) for a, b in zip(scores, reference))


def run(rounds: int = 3, reference_steps: int = REFERENCE) -> tuple[Table, bool]:
    """(the table, whether the target is met)"""
    sentences = Sentences()
    variants = ways(sentences)
    seconds = cpu_seconds(variants, rounds)
    reference = sentences.captum(reference_steps, "riemann_middle", rows=64)
    table = Table(title=f"attributions of {len(SENTENCES)} sentences, sentiment model, one thread")
    for column in ("", "CPU s", "x captum", "+-", "rows through the model", "worst gap", "worst score error"):
        table.add_column(column, justify="right" if column else "left")
    errors = {}
    for name, way in variants.items():
        sentences.passed = 0
        scores = way()
        passed, times = sentences.passed, ratio(seconds, name, "captum, 50 steps")
        errors[name] = worst_error(scores, reference) if scores else None
        table.add_row(
            name, f"{min(seconds[name]):.2f}", f"{times[0]:.2f}", f"{times[1]:.2f}", str(passed),
            f"{max(sentences.gaps):.1%}" if sentences.gaps else "", f"{errors[name]:.1%}" if scores else "",
        )  # fmt: skip
    share = ratio(seconds, "attnlens", "captum, 50 steps")[0]
    met = share <= TARGET and errors["attnlens"] <= TOLERANCE
    times = {name: ratio(seconds, name, f"attnlens, {COARSE:.0%}")[0] for name in PEERS if name in variants}
    met = met and all(times[name] >= FASTER[name] for name in times)
    missing = [name for name in PEERS if name not in variants]
    table.caption = (
        "".join(
            f"{name}: {times[name]:.1f}x the time of {COARSE:.0%} (target {FASTER[name]}); " for name in times
        )
        + f"target: at most {TARGET:.2f}x the time, scores within {TOLERANCE:.0%} of {reference_steps} steps: "
        f"{'met' if met else 'MISSED'}" + (f"; not installed: {', '.join(missing)}" if missing else "")
    )
    return table, met
