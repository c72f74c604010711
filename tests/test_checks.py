"""Arguments are checked by one rule: any integer type, any real number type, never a bool."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from attnlens import _checks
from attnlens.data import Token, Trace
from attnlens.errors import InputError

INTEGERS = [3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3), torch.tensor(3, dtype=torch.uint8)]
BOOLS = [True, False, np.True_, np.array(True), torch.tensor(True)]
NO_INTEGERS = [
    *BOOLS,
    3.0,
    np.float64(3),
    "3",
    None,
    [3],
    np.array([3]),
    torch.tensor([3]),
    torch.tensor(3.0),
]
NUMBERS = [
    0.5,
    Fraction(1, 2),
    np.float16(0.5),
    np.array(0.5),
    torch.tensor(0.5),
    torch.tensor(0.5).bfloat16(),
]
NO_NUMBERS = [
    *BOOLS, "0.5", None, [0.5], np.array([0.5]), torch.tensor([0.5]), 0.5j, torch.tensor(0.5j), np.array("0.5"),
    float("nan"), float("inf"), np.float64("nan"), torch.tensor(torch.nan), 10**400, Decimal("0.5"),
]  # fmt: skip


@pytest.mark.parametrize("value", INTEGERS, ids=repr)
def test_any_integer_type_is_an_integer(value):
    for found in (
        _checks.integer("n", value, least=1, most=3), _checks.position("n", value, 4), _checks.as_integer(value),
    ):  # fmt: skip
        assert (type(found), found) == (int, 3)
    assert _checks.positions("n", value, 4) == _checks.positions("n", [value, 3], 4) == [3]


@pytest.mark.parametrize("value", NO_INTEGERS, ids=repr)
def test_what_is_no_integer(value):
    assert _checks.as_integer(value) is None
    with pytest.raises(InputError, match="n must be an integer of at least 1, not "):
        _checks.integer("n", value, least=1)
    with pytest.raises(InputError, match="n must be an integer, 0 to 3 or negative from the end, not "):
        _checks.position("n", value, 4)


@pytest.mark.parametrize("value", [*NUMBERS, *INTEGERS], ids=repr)
def test_any_real_number_type_is_a_number(value):
    found = _checks.number("x", value, above=0, most=3)
    assert type(found) is float
    assert found in (0.5, 3.0)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_what_is_no_number(value):
    with pytest.raises(InputError, match="x must be a number above 0, not "):
        _checks.number("x", value, above=0)
    with pytest.raises(InputError, match="x must be a number from 0 to 1, not "):
        _checks.share("x", value)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: _checks.integer("n", 0, least=1), "n must be an integer of at least 1, not 0"),
        (lambda: _checks.integer("n", 9, least=1, most=8), "n must be an integer from 1 to 8, not 9"),
        (lambda: _checks.integer("n", "a"), "n must be an integer, not 'a'"),
        (lambda: _checks.number("x", 1, least=0, below=1), "x must be a number of at least 0 and below 1, not 1"),
        (lambda: _checks.number("x", 0, above=0), "x must be a number above 0, not 0"),
        (lambda: _checks.number("x", 2, most=1), "x must be a number of at most 1, not 2"),
        (lambda: _checks.share("x", -0.1), "x must be a number from 0 to 1, not -0.1"),
        (lambda: _checks.position("layer", 4, 4), "layer 4 is out of range: there are 4, numbered 0 to 3; negative"),
        (lambda: _checks.position("layer", -5, 4), "layer -5 is out of range"),
        (lambda: _checks.position("head", 0, 0), "head 0 is out of range: there is none"),
        (lambda: _checks.positions("head", "1", 4), "head must be an integer, .* not '1'"),
        (lambda: _checks.positions("head", [None], 4), "head must be an integer, .* not None"),
        (lambda: _checks.one_of("metric", "helinger", ("hellinger",)), "unknown metric 'helinger'.* Did you mean"),
        (lambda: _checks.one_of("metric", ["hellinger"], ("hellinger",)), r"unknown metric \['hellinger'\]"),
    ],
)  # fmt: skip
def test_a_message_says_what_was_given_what_was_expected_and_what_to_do(check, message):
    with pytest.raises(InputError, match=message):
        check()


def test_positions_count_from_the_end():
    assert [_checks.position("layer", at, 4) for at in (-1, -4, 0)] == [3, 0, 0]
    assert _checks.positions("head", torch.tensor([0, -1, 3]), 4) == [0, 3]


def test_a_token_by_its_number_or_its_text():
    tokens = (Token("[CLS]"), Token(" film"), Token("film"), Token(" a"))
    found = [_checks.token("row", which, tokens) for which in (-1, np.int64(1), "film", " film", "a")]
    assert found == [3, 1, 2, 1, 3]
    with pytest.raises(InputError, match="no token reads 'flim'; close to it are: 'film'"):
        _checks.token("row", "flim", tokens)
    for value in (True, 1.5, None):
        with pytest.raises(InputError, match=r"row must be an integer, .* or a token's text, not"):
            _checks.token("row", value, tokens)


def test_one_trace():
    trace = Trace(())
    assert _checks.trace(trace, "rollout") is trace
    several = (
        r"rollout\(\) takes one trace, not list: rollout\(traces\[0\]\); of several: \[rollout\(trace\) for"
    )
    with pytest.raises(InputError, match=several):
        _checks.trace([trace], "rollout")
    with pytest.raises(InputError, match=r"takes one trace, not str: rollout\(lens\.trace\(input\)\)"):
        _checks.trace("a text", "rollout")
    with pytest.raises(
        InputError, match=r"heads\(\) has nothing to draw: the trace has no attention weights"
    ):
        _checks.drawable(trace, "heads")
