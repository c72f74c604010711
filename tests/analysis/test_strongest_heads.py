"""The head that views open at."""

from dataclasses import replace

import torch

from attnlens.analysis._strongest_heads import heads_by_strength, strongest_head, strongest_heads
from attnlens.data._attention import Weights
from attnlens.data._trace import Layer, Token, Trace

TOKENS = (Token("[CLS]", special=True), Token("[SEP]", special=True), Token("a"), Token("b"))


def made(kind: str = "self", tokens: tuple[Token, ...] = TOKENS) -> Trace:
    weights = torch.full((2, 2, 4, 4), 0.25)
    weights[1, 1, 0] = torch.tensor([0.0, 0.0, 0.9, 0.1])
    weights[0, 0, 0] = torch.tensor([0.0, 0.95, 0.0, 0.05])
    return Trace(tuple(Layer(str(i), kind, Weights(one)) for i, one in enumerate(weights)), tokens=tokens)


def test_it_is_the_one_with_the_largest_weight_of_the_reader_on_one_ordinary_token():
    assert strongest_head(made()) == (1, 1)
    assert [tuple(one)[:3] for one in strongest_heads(made())] == [
        (1, 1, 2),
        (0, 1, 2),
        (1, 0, 2),
        (0, 0, 3),
    ]
    assert abs(strongest_heads(made())[0].weight - 0.9) < 1e-6
    assert heads_by_strength(made()) == [(1, 1), (0, 1), (1, 0), (0, 0)]
    assert heads_by_strength(made("cross")) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_without_an_ordinary_token_or_self_attention_it_is_the_first():
    special = tuple(replace(token, special=True) for token in TOKENS)
    assert strongest_head(made(tokens=special)) == strongest_head(made("cross")) == (0, 0)


def test_a_reader_that_is_an_ordinary_token_does_not_count_itself():
    weights = torch.full((1, 2, 4, 4), 0.25)
    weights[0, 0, 3] = torch.tensor([0.0, 0.0, 0.0, 1.0])
    weights[0, 1, 3] = torch.tensor([0.1, 0.7, 0.1, 0.1])
    words = tuple(Token(word) for word in "abcd")
    assert strongest_head(Trace((Layer("0", "self", Weights(weights[0])),), tokens=words)) == (0, 1)
