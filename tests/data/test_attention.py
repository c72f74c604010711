"""Every store gives the same weights, and a request costs what it returns.

The oracle multiplies, masks and normalises one row at a time in float64, from the rounded query and key.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attnlens.data import _attention as module
from attnlens.data._attention import Band, Factors, Weights, Windows
from attnlens.errors import InputError

relaxed = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


# -- the oracle ---------------------------------------------------------------------------------------------


def oracle(f: Factors) -> torch.Tensor:
    """The weights in float64, row by row; a row that may look at nothing is zeros."""
    out = torch.zeros(f.shape, dtype=torch.float64)
    for h in range(f.heads):
        key = f.key[h * f.key.shape[0] // f.heads].double()
        for i in range(f.queries):
            scores = [math.fsum((f.query[h, i].double() * key[j]).tolist()) * f.scale for j in range(f.keys)]
            if f.softcap is not None:
                scores = [f.softcap * math.tanh(s / f.softcap) for s in scores]
            if f.bias is not None:
                bias = f.bias.double().expand(f.shape)
                scores = [s + float(bias[h, i, j]) for j, s in enumerate(scores)]
            scores = [s if may_look(f, h, i, j) else -math.inf for j, s in enumerate(scores)]
            sink = [] if f.sink is None else [float(f.sink[h])]
            top = max(scores + sink)
            if top > -math.inf:
                parts = [math.exp(s - top) for s in scores + sink]
                out[h, i] = torch.tensor(parts[: f.keys], dtype=torch.float64) / math.fsum(parts)
    return out


def may_look(f: Factors, h: int, i: int, j: int) -> bool:
    if f.mask is None:
        return True
    if isinstance(f.mask, torch.Tensor):
        return bool(f.mask.expand(f.shape)[h, i, j])
    low = -math.inf if f.mask.before is None else i + f.mask.offset - f.mask.before
    high = math.inf if f.mask.after is None else i + f.mask.offset + f.mask.after
    return low <= j <= high


def near(found: torch.Tensor, expected: torch.Tensor, f: Factors | None = None) -> None:
    """Equal shapes, and values as near as the scores of `f` allow: computed in float32 unless float64 is stored."""
    exact = f is not None and f.query.dtype == torch.float64
    rtol, atol = (1e-9, 1e-12) if exact else (5e-5, 2e-6)
    torch.testing.assert_close(found.double(), expected.double(), rtol=rtol, atol=atol)


# -- what is drawn ------------------------------------------------------------------------------------------

small = st.integers(1, 6)
sides = st.none() | st.integers(-2, 4)


@st.composite
def masks(draw, shape):
    kind = draw(st.sampled_from(["none", "band", "bool"]))
    if kind == "band":
        return Band(draw(sides), draw(sides), draw(st.integers(-3, 5)))
    if kind == "none":
        return None
    mask = torch.rand([draw(st.sampled_from([1, size])) for size in shape]) < draw(
        st.sampled_from([0.0, 0.5, 1.0])
    )
    return mask


@st.composite
def factors(draw):
    torch.manual_seed(draw(st.integers(0, 2**16)))
    key_heads, group, queries, keys, width = draw(
        st.tuples(st.integers(1, 3), st.integers(1, 3), small, small, small)
    )
    shape, dtype = (key_heads * group, queries, keys), draw(st.sampled_from(DTYPES))
    bias = None
    if draw(st.booleans()):
        bias = torch.randn([draw(st.sampled_from([1, size])) for size in shape])
        bias = bias.masked_fill(torch.rand(bias.shape) < draw(st.sampled_from([0.0, 0.6])), -math.inf)
    return Factors(
        query=torch.randn(shape[0], queries, width).mul(2).to(dtype),
        key=torch.randn(key_heads, keys, width).mul(2).to(dtype),
        scale=draw(st.sampled_from([1.0, 0.125, width**-0.5])),
        mask=draw(masks(shape)),
        bias=bias,
        softcap=draw(st.sampled_from([None, 1.5, 50.0])),
        sink=torch.randn(shape[0]) if draw(st.booleans()) else None,
    )


@st.composite
def indices(draw, size):
    """Any way to name positions along one axis, with those positions as a list (an integer: as it is)."""
    one = st.integers(-size, size - 1)
    kind = draw(st.sampled_from(["int", "numpy", "slice", "list", "range", "tensor", "mask"]))
    if kind in ("int", "numpy"):
        number = draw(one)
        return (np.int64(number) if kind == "numpy" else number), number
    if kind == "slice":
        part = draw(st.slices(size))
        return part, list(range(size))[part]
    if kind == "range":
        part = range(draw(st.integers(0, size)), draw(st.integers(0, size)))
        return part, list(part)
    if kind == "mask":
        flags = draw(st.lists(st.booleans(), min_size=size, max_size=size))
        return torch.tensor(flags), [i for i, flag in enumerate(flags) if flag]
    numbers = draw(st.lists(one, max_size=size + 1))
    return (torch.tensor(numbers, dtype=torch.long) if kind == "tensor" else numbers), numbers


def at(weights: torch.Tensor, places: list) -> torch.Tensor:
    """The oracle's answer: one axis after the other, an integer drops its axis last."""
    for dim, place in enumerate(places):
        chosen = [place] if isinstance(place, int) else place
        chosen = torch.tensor([p % weights.shape[dim] for p in chosen], dtype=torch.long)
        weights = weights.index_select(dim, chosen)
    for dim in reversed(range(len(places))):
        if isinstance(places[dim], int):
            weights = weights.squeeze(dim)
    return weights


# -- factors are their weights ------------------------------------------------------------------------------


@relaxed
@given(factors())
def test_factors_are_the_slow_weights(f):
    expected = oracle(f)
    near(f[:], expected, f)
    assert f[:].dtype == (torch.float64 if f.query.dtype == torch.float64 else torch.float32)
    dense = Weights(expected)
    assert f.shape == dense.shape == tuple(expected.shape)
    for found, same in (
        (f.mean("head"), dense.mean("head")),
        (f.mean("query"), dense.mean("query")),
    ):
        near(found, same, f)
    near(f.mean("head"), expected.mean(0), f)
    near(f.mean("query"), expected.mean(1), f)


@relaxed
@given(factors(), st.data())
def test_any_index_of_any_store_is_that_of_the_weights(f, data):
    expected = oracle(f)
    parts, places = zip(*[data.draw(indices(size)) for size in f.shape])
    answer = at(expected, list(places))
    for store in (f, Weights(expected), replace(f, known_lse=f.lse), Windows((f,))):
        found = store[parts]
        assert found.shape == answer.shape
        near(found, answer, f)
        near(store[..., parts[2]], at(expected, [range(f.heads), range(f.queries), places[2]]))
        near(store[parts[0]], at(expected, [places[0], range(f.queries), range(f.keys)]))
        near(store[parts[0], ..., parts[2]], at(expected, [places[0], range(f.queries), places[2]]))
    near(f[...], expected, f)


@relaxed
@given(factors())
def test_masked_rows_are_those_whose_weights_are_zero(f):
    # with a sink every row has somewhere to look, although its weights may sum to nothing
    expected = (
        torch.zeros(f.queries, dtype=torch.bool) if f.sink is not None else (oracle(f) == 0).all(-1).all(0)
    )
    assert f.masked_rows.tolist() == expected.tolist()
    assert f.masked_rows.shape == (f.queries,)
    assert (
        Weights(oracle(replace(f, sink=None))).masked_rows.tolist()
        == replace(f, sink=None).masked_rows.tolist()
    )


@relaxed
@given(factors(), st.integers(1, 40), st.booleans())
def test_blocks_are_bounded_and_make_up_the_whole(f, limit, known):
    whole = f[:]
    if known:
        f = replace(f, known_lse=f.lse)
    with patched(limit) as asked:
        pieces = list(f.blocks())
        near(torch.cat([block for _, block in pieces], dim=1), whole)
        near(f.mean("query"), whole.mean(1))
        near(replace(f, known_lse=None).lse, f.lse)
    rows = [i for span, _ in pieces for i in range(span.start, span.stop)]
    assert rows == list(range(f.queries))
    assert max(heads * rows * cols for heads, rows, cols in asked) <= max(limit, f.heads * f.keys)


@relaxed
@given(factors(), st.sampled_from(DTYPES))
def test_another_dtype_is_the_oracle_of_the_rounded_factors(f, dtype):
    other = replace(f, known_lse=f.lse).to(dtype)
    assert other.query.dtype == other.key.dtype == dtype
    assert other.known_lse is None
    near(other[:], oracle(other), other)
    assert Weights(f[:]).to(dtype).weights.dtype == dtype


def test_another_device_keeps_every_part():
    f = Factors(
        torch.randn(2, 3, 4),
        torch.randn(1, 3, 4),
        0.5,
        torch.ones(1, 3, 1, dtype=torch.bool),
        torch.randn(1, 1, 3),
    )
    moved = replace(f, sink=torch.randn(2), known_lse=torch.randn(2, 3)).to("meta")
    held = (moved.query, moved.key, moved.mask, moved.bias, moved.sink, moved.known_lse)
    assert {tensor.device.type for tensor in held} == {"meta"}
    assert moved.device.type == "meta"
    assert Windows((f, f)).to("meta").device.type == "meta"


# -- masks --------------------------------------------------------------------------------------------------


@relaxed
@given(sides, sides, st.integers(-9, 9), small, small)
def test_band_sees_what_its_rule_says(before, after, offset, queries, keys):
    band = Band(before, after, offset)
    f = Factors(torch.zeros(1, queries, 1), torch.zeros(1, keys, 1), 1.0, mask=band)
    expected = [[may_look(f, 0, i, j) for j in range(keys)] for i in range(queries)]
    assert band.visible(torch.arange(queries), torch.arange(keys)).tolist() == expected
    empty = band.empty_rows(queries, keys, torch.device("cpu"))
    assert empty.tolist() == [not any(row) for row in expected]


def test_causal_band_with_offset_is_a_cache_in_use():
    f = Factors(torch.zeros(1, 2, 4), torch.zeros(1, 5, 4), 1.0, mask=Band(None, 0, offset=3))
    near(f[0], torch.tensor([[1 / 4] * 4 + [0], [1 / 5] * 5]))


def test_a_sink_takes_mass_from_every_row():
    f = Factors(torch.zeros(1, 2, 4), torch.zeros(1, 3, 4), 1.0, sink=torch.zeros(1))
    near(f[0], torch.full((2, 3), 1 / 4))
    assert not f.masked_rows.any()


def test_weights_of_a_softmax_over_nothing_are_zeros():
    scores = torch.tensor([[[0.0, 0.0], [-math.inf, -math.inf]]])
    weights = Weights(scores.softmax(-1))
    assert weights[0].tolist() == [[0.5, 0.5], [0.0, 0.0]]
    assert weights.masked_rows.tolist() == [False, True]


# -- windows ------------------------------------------------------------------------------------------------


@relaxed
@given(factors(), st.integers(1, 4), st.data())
def test_windows_are_the_block_diagonal(f, count, data):
    parts = [f if i % 2 else replace(f, query=-f.query) for i in range(count)]
    expected = torch.zeros(f.heads, count * f.queries, count * f.keys, dtype=torch.float64)
    for i, part in enumerate(parts):
        rows, cols = slice(i * f.queries, (i + 1) * f.queries), slice(i * f.keys, (i + 1) * f.keys)
        expected[:, rows, cols] = oracle(part)
    windows = Windows(tuple(Weights(oracle(p)) if i == 1 else p for i, p in enumerate(parts)))
    assert windows.shape == tuple(expected.shape)
    index, places = zip(*[data.draw(indices(size)) for size in windows.shape])
    near(windows[:], expected)
    near(windows[index], at(expected, list(places)))
    near(windows.mean("head"), expected.mean(0))
    assert windows.masked_rows.tolist() == [bool(m) for part in windows.parts for m in part.masked_rows]
    with patched(2 * f.keys):
        pieces = torch.cat([block for _, block in windows.blocks()], dim=1)
    near(pieces, expected)


def test_windows_must_be_some_and_alike():
    with pytest.raises(InputError, match="at least one window"):
        Windows(())
    with pytest.raises(InputError, match="one shape"):
        Windows((Weights(torch.ones(1, 1, 1)), Weights(torch.ones(1, 2, 2))))


# -- a request costs what it returns ------------------------------------------------------------------------


@dataclass
class patched:
    """Inside `with`: a small BLOCK_ELEMENTS, and the size of every block of scores that is asked for."""

    limit: int = module.BLOCK_ELEMENTS

    def __enter__(self) -> list[tuple[int, int, int]]:
        self.patch, asked, original = pytest.MonkeyPatch(), [], Factors._scores

        def counted(factors, heads, rows, cols):
            asked.append((len(heads), len(rows), len(cols)))
            return original(factors, heads, rows, cols)

        self.patch.setattr(Factors, "_scores", counted)
        self.patch.setattr(module, "BLOCK_ELEMENTS", self.limit)
        return asked

    def __exit__(self, *_):
        self.patch.undo()


@pytest.fixture
def wide():
    return Factors(torch.randn(4, 12, 8), torch.randn(2, 10, 8), 0.3, mask=Band(None, 0))


@pytest.mark.parametrize(
    ("index", "size"),
    [
        ((1, 3), (1, 1, 10)),
        ((1, slice(None), 5), (1, 12, 1)),
        ((slice(None), slice(None), 5), (4, 12, 1)),
        ((slice(1, 3), [0, 7], slice(2, 5)), (2, 2, 3)),
        ((2,), (1, 12, 10)),
    ],
    ids=["row", "column", "column of all heads", "block", "head"],
)
def test_a_request_computes_only_what_it_returns(wide, index, size):
    known = replace(wide, known_lse=wide.lse)
    with patched() as asked:
        found = known[index]
    assert asked == [size]
    assert found.numel() == math.prod(size)


def test_whole_rows_need_no_log_sum_exp_of_the_others(wide):
    with patched() as asked:
        wide[1, 3]
        wide[..., :]
    assert asked == [(1, 1, 10), (4, 12, 10)]
    assert "lse" not in vars(wide)


def test_the_log_sum_exp_is_computed_once_and_then_kept(wide):
    with patched() as asked:
        wide[0, 0, 4]
        wide[:, :, 5]
    assert asked == [(1, 1, 10), (1, 1, 1), (4, 12, 10), (4, 12, 1)]


def test_a_row_of_windows_costs_one_window(wide):
    windows = Windows((wide, wide, wide))
    with patched() as asked:
        windows[0, 13]
    assert asked == [(1, 1, 10)]


def test_blocks_of_chosen_heads_compute_only_those(wide):
    expected = wide[[3, 1]]
    with patched(40) as asked:
        pieces = [block for _, block in wide.blocks([3, 1])]
    near(torch.cat(pieces, dim=1), expected)
    assert asked == [(2, 2, 10)] * 6


def test_nbytes_counts_what_is_held(wide):
    assert wide.nbytes == (4 * 12 * 8 + 2 * 10 * 8 + 4 * 12) * 4
    assert Weights(torch.ones(2, 3, 4, dtype=torch.float16)).nbytes == 48
    assert Windows((wide, wide)).nbytes == 2 * wide.nbytes
    assert repr(wide) == "Factors(4 heads, 12 queries, 10 keys, 2.37 kB)"


# -- what cannot be asked or built --------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["factors", "weights", "windows"])
@pytest.mark.parametrize(
    ("index", "axis", "size"),
    [
        ((4,), "head", 4),
        ((-5,), "head", 4),
        ((0, 12), "query", 12),
        ((0, [1, 99]), "query", 12),
        ((..., 10), "key", 10),
        ((0, 0, torch.tensor([-11])), "key", 10),
    ],
)
def test_out_of_range_names_the_axis(wide, store, index, axis, size):
    attention = {"factors": wide, "weights": Weights(wide[:]), "windows": Windows((wide,))}[store]
    with pytest.raises(
        IndexError, match=f"{axis} .* is out of range: there are {size}, numbered 0 to {size - 1}"
    ):
        attention[index]


def test_a_fourth_axis_is_an_error(wide):
    with pytest.raises(IndexError, match="three axes"):
        wide[0, 0, 0, 0]


def test_a_mean_over_another_axis_is_an_error(wide):
    with pytest.raises(InputError, match=r"'key'.*use 'head' or 'query'"):
        wide.mean("key")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": torch.ones(4, 12)}, "must be"),
        ({"key": torch.ones(2, 10, 7)}, "d_head"),
        ({"key": torch.ones(3, 10, 8)}, "multiple of key heads"),
        ({"mask": torch.ones(4, 12, 9, dtype=torch.bool)}, r"mask \[4, 12, 9\] does not fit \[4, 12, 10\]"),
        ({"bias": torch.ones(12, 10)}, r"bias \[12, 10\] does not fit"),
        ({"sink": torch.ones(3)}, "sink"),
        ({"known_lse": torch.ones(4, 11)}, "lse"),
    ],
)
def test_factors_that_do_not_fit_are_refused(wide, change, message):
    with pytest.raises(InputError, match=message):
        replace(wide, **change)


def test_weights_of_another_rank_are_refused():
    with pytest.raises(InputError, match=r"\[head, query, key\], not \[2, 3\]"):
        Weights(torch.ones(2, 3))


def test_a_result_can_be_changed_without_changing_the_store():
    attention = Weights(torch.rand(2, 3, 3))
    before = attention.weights.clone()
    attention[0].mul_(2)
    attention[:].zero_()
    assert torch.equal(attention.weights, before)


def test_moving_factors_keeps_the_log_sum_exp_that_is_known():
    factors = Factors(torch.randn(2, 3, 4), torch.randn(2, 3, 4), 0.5)
    assert factors.to("cpu").known_lse is None
    known = factors.lse
    assert torch.equal(factors.to("cpu").known_lse, known)


def test_a_column_or_a_tile_costs_its_own_heads_and_rows(monkeypatch):
    factors = Factors(torch.randn(4, 30, 6), torch.randn(4, 30, 6), 0.5)
    asked = []
    compute = Factors._scores
    monkeypatch.setattr(
        Factors,
        "_scores",
        lambda f, h, r, c: (asked.append((len(h), len(r), len(c))), compute(f, h, r, c))[1],
    )
    factors[3, 5:9, 5:9]
    assert asked == [(1, 4, 30), (1, 4, 4)]
    asked.clear()
    factors[3, 5:9, 20]
    assert asked == [(1, 4, 1)]
    asked.clear()
    factors[2, :, 7]
    assert asked == [(1, 30, 30), (1, 30, 1)]


NONSENSE = [1.5, "a", [0.5], torch.tensor([[0, 1], [1, 0]]), [True, False]]


@pytest.mark.parametrize("index", NONSENSE, ids=lambda index: type(index).__name__)
def test_what_is_no_index_is_refused(index):
    attention = Weights(torch.rand(2, 5, 5))
    with pytest.raises(InputError, match="query"):
        attention[0, index]


def test_numpy_and_len():
    attention = Weights(torch.rand(2, 5, 5))
    assert len(attention) == 2
    assert np.array_equal(np.asarray(attention), attention.weights.numpy())
    assert np.asarray(attention, dtype="float64").dtype == np.float64
