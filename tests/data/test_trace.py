"""A trace is indexed like `[layer, head, query, key]`, knows its tokens and says what the model answered."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

import attnlens as al
from attnlens.data._attention import Band, Factors, Weights, Windows
from attnlens.data._trace import KINDS, SIDES, Layer, PatchGrid, Prediction, Token, Trace
from attnlens.errors import InputError

WORDS = ("[CLS]", "good", "film")


def weights(heads=2, queries=3, keys=3):
    return Weights(torch.rand(heads, queries, keys).softmax(-1))


def factors(heads=2, queries=3, keys=3):
    return Factors(torch.randn(heads, queries, 4), torch.randn(heads, keys, 4), 0.5, mask=Band(None, 0))


def tokens(words=WORDS):
    return tuple(Token(word) for word in words)


@pytest.fixture
def trace():
    layers = (
        Layer("encoder.0", "self", weights()),
        Layer("encoder.1", "self", factors()),
        Layer("decoder.0", "self", weights(queries=2, keys=2), "output", "output"),
        Layer("decoder.0.cross", "cross", weights(queries=2), "output", "input"),
    )
    return Trace(
        layers,
        model="tiny",
        tokens=tokens(),
        output_tokens=tokens(("guter", "Film")),
        logits=torch.tensor([0.0, 2.0]),
        labels=("negative", "positive"),
    )


# -- indexing -----------------------------------------------------------------------------------------------


def test_one_layer_is_its_attention(trace):
    assert trace[0] is trace.layers[0].attention
    assert trace[-1] is trace.layers[3].attention
    assert trace[np.int64(1)] is trace.layers[1].attention
    assert len(trace) == 4


@pytest.mark.parametrize("layer", [0, 1, -1, np.int64(1)])
def test_further_indices_are_those_of_the_attention(trace, layer):
    attention = trace[layer]
    assert torch.equal(trace[layer, 1], attention[1])
    assert trace[layer, 1].shape == attention.shape[1:]
    assert torch.equal(trace[layer, 1, 0], attention[1, 0])
    assert torch.equal(trace[layer, :, :, 1], attention[:, :, 1])
    assert torch.equal(trace[layer, ..., 0], attention[..., 0])
    assert trace[layer, 0, 0, 0].shape == ()
    assert trace[layer,] is attention


def test_a_slice_is_a_trace_of_these_layers(trace):
    some = trace[1:3]
    assert isinstance(some, Trace)
    assert some.layers == trace.layers[1:3]
    assert (some.tokens, some.model, some.labels) == (trace.tokens, "tiny", trace.labels)
    assert some.logits is trace.logits
    assert trace[::-1].layers == trace.layers[::-1]
    assert len(trace[9:]) == 0


@pytest.mark.parametrize("layer", [4, -5, 99])
def test_a_layer_out_of_range_is_an_index_error_with_the_count(trace, layer):
    with pytest.raises(IndexError, match=f"layer {layer} is out of range: the trace has 4 layers"):
        trace[layer]
    with pytest.raises(IndexError, match="has 4 layers"):
        trace[layer, 0]


def test_a_head_out_of_range_names_the_head(trace):
    with pytest.raises(IndexError, match="head 2 is out of range: there are 2"):
        trace[0, 2]


@pytest.mark.parametrize("first", [slice(None), [0, 1], ..., "encoder.0"])
def test_several_layers_with_a_head_are_refused_with_the_way_out(trace, first):
    with pytest.raises(InputError, match=r"name one layer by number: .*trace\[layer, head\]"):
        trace[first, 0]


@pytest.mark.parametrize("given", ["encoder.0", [0, 1], None, ..., 1.0, (), {}, slice("a", "b")])
def test_an_index_of_another_kind_shows_the_forms(trace, given):
    with pytest.raises(
        InputError, match=r"trace\[layer\], trace\[layer, head\].*trace\[a:b\].*\[layer\]\[:\]"
    ):
        trace[given]


def test_a_layer_number_of_numpy_or_torch(trace):
    for one in (np.int64(1), torch.tensor(1)):
        assert trace[one] is trace[1]
        assert torch.equal(trace[one, 0], trace[1, 0])


def test_select_takes_whole_parts_of_a_path():
    names = ("layer.1", "layer.1.attention", "layer.1#2", "layer.10", "layers")
    found = Trace(tuple(Layer(name, "self", weights()) for name in names))
    assert [layer.name for layer in found.select("layer.1").layers] == list(names[:3])
    assert [layer.name for layer in found.select("layer").layers] == list(names[:4])
    assert [layer.name for layer in found.select("layer.1#2").layers] == ["layer.1#2"]
    assert len(found.select("")) == 5
    with pytest.raises(InputError, match="no layer starts with 'lay'"):
        found.select("lay")


def test_select_takes_layers_by_path_and_kind(trace):
    assert [layer.name for layer in trace.select("encoder").layers] == ["encoder.0", "encoder.1"]
    assert [layer.name for layer in trace.select(kind="cross").layers] == ["decoder.0.cross"]
    assert [layer.name for layer in trace.select("decoder", kind="self").layers] == ["decoder.0"]
    assert trace.select().layers == trace.layers
    assert trace.select("encoder").tokens == trace.tokens


def test_select_of_nothing_lists_the_layers(trace):
    with pytest.raises(
        InputError, match=r"'encodr'.*the layers are: encoder\.0 \(self\).*decoder\.0\.cross \(cross\)"
    ):
        trace.select("encodr")
    with pytest.raises(InputError, match="kind 'channel'"):
        trace.select("encoder", kind="channel")


# -- what the model answered --------------------------------------------------------------------------------


def answered(logits, activation="softmax", labels=("a", "b", "c")):
    return Trace((), logits=torch.tensor(logits), labels=labels, activation=activation)


def test_softmax_gives_the_likeliest_class():
    trace = answered([0.0, 1.0, -1.0])
    expected = torch.tensor([1.0, np.e, 1 / np.e])
    assert torch.allclose(trace.probabilities, expected / expected.sum())
    assert trace.prediction == Prediction("b", 1, pytest.approx(float(np.e / expected.sum())))
    assert str(trace.prediction) == "b (0.67)"


def test_sigmoid_gives_each_class_its_own_probability():
    trace = answered([0.0, 1.0, -1.0], "sigmoid")
    assert torch.allclose(trace.probabilities, torch.tensor([0.5, 1 / (1 + 1 / np.e), 1 / (1 + np.e)]))
    assert str(trace.prediction) == "b (0.73)"


def test_a_regression_predicts_its_value():
    trace = answered([3.14159], "none")
    assert trace.probabilities is None
    assert trace.prediction == Prediction("3.142", 0, None)
    assert str(trace.prediction) == "3.142"


def test_half_precision_logits_give_float_probabilities():
    trace = Trace((), logits=torch.tensor([0.0, 12.0], dtype=torch.float16))
    assert trace.probabilities.dtype == torch.float32
    assert trace.prediction.probability == pytest.approx(1 / (1 + np.exp(-12.0)), rel=1e-6)


@pytest.mark.parametrize("logits", [None, torch.zeros(3, 2)], ids=["no logits", "one row per token"])
def test_no_class_scores_no_prediction(logits):
    trace = Trace((), logits=logits)
    assert trace.prediction is None
    assert trace.probabilities is None


CLS, WORD = Token("[CLS]", special=True), Token("a")
READERS = {
    "class token of an encoder": ((CLS, WORD, WORD), weights(), 0),
    "first token of a causal model": ((CLS, WORD, WORD), factors(), 2),
    "no special token": ((WORD, WORD, WORD), weights(), 2),
    "no special token, causal": ((WORD, WORD, WORD), factors(), 2),
    "no tokens": ((), weights(), 0),
    "no tokens, causal": ((), factors(), 2),
    "one token": ((CLS,), factors(queries=1, keys=1), 0),
}


@pytest.mark.parametrize(("given", "attention", "expected"), READERS.values(), ids=READERS)
def test_a_classifier_reads_at_the_first_token_that_sees_all_or_at_the_last(given, attention, expected):
    layers = (Layer("cross", "cross", weights(), "other", "other"), Layer("self", "self", attention))
    assert Trace(layers, tokens=given).reader == expected


def test_a_classifier_of_images_reads_at_the_class_token_or_the_last_patch():
    for attention, expected in ((weights(), 0), (factors(), 2)):
        trace = Trace((Layer("self", "self", attention),), patches=PatchGrid(1, 2, ("[CLS]",)))
        assert trace.reader == expected


def test_a_class_without_a_name_has_its_number():
    assert answered([0.0, 1.0, -1.0], labels=()).prediction.label == "class 1"
    assert answered([0.0, 0.0, 1.0], labels=("a", "b")).prediction.label == "class 2"
    assert answered([1.0, 0.0]).label(0) == "a"


# -- tokens -------------------------------------------------------------------------------------------------


def test_axis_tokens_are_those_of_the_layers_sides(trace):
    assert trace.axis_tokens(0) == (trace.tokens, trace.tokens)
    assert trace.axis_tokens(2) == (trace.output_tokens, trace.output_tokens)
    assert trace.axis_tokens(-1) == (trace.output_tokens, trace.tokens)


def test_axis_tokens_are_numbers_where_positions_have_no_tokens():
    pooled = Layer("pooled", "self", weights(queries=2), "other", "input")
    assert Trace((pooled,), tokens=tokens()).axis_tokens(0) == (tokens(("0", "1")), tokens())
    assert Trace((Layer("a", "self", weights()),)).axis_tokens(0)[1] == tokens(("0", "1", "2"))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Layer("a.b", "self", weights(queries=4)),
            "layer 'a.b' has 4 query positions but the trace has 3 input tokens",
        ),
        (
            Layer("a.b", "self", factors(keys=5)),
            "layer 'a.b' has 5 key positions but the trace has 3 input tokens",
        ),
        (
            Layer("c", "cross", weights(), "output"),
            "layer 'c' has 3 query positions but the trace has 2 output tokens",
        ),
    ],
)
def test_tokens_that_do_not_fit_a_layer_are_refused(layer, message):
    with pytest.raises(InputError) as caught:
        Trace((layer,), tokens=tokens(), output_tokens=tokens(("guter", "Film")))
    assert str(caught.value) == message


def test_positions_that_are_no_tokens_need_not_fit():
    windows = Layer("swin", "self", Windows((weights(), weights())), "other", "other")
    assert len(Trace((windows,), tokens=tokens())) == 1
    assert set(SIDES) == {"input", "output", "other"}
    assert set(KINDS) == {"self", "cross", "channel"}


def test_a_token_prints_as_its_text():
    assert str(Token("##ing", id=7, word=2)) == "##ing"


def test_the_repr_of_a_token_is_short():
    assert repr(Token("gripping", id=7, word=1, start=2, end=10)) == "Token('gripping', 2:10)"
    assert repr(Token("[CLS]", id=2, special=True)) == "Token('[CLS]', special)"
    assert repr(Token("0,1")) == "Token('0,1')"


# -- patches ------------------------------------------------------------------------------------------------


def test_a_grid_names_its_patches_row_by_row():
    grid = PatchGrid(2, 3, leading=("[CLS]", "register 1"))
    assert [t.text for t in grid.tokens] == ["[CLS]", "register 1", "0,0", "0,1", "0,2", "1,0", "1,1", "1,2"]
    assert [t.special for t in grid.tokens] == [True] * 2 + [False] * 6
    assert len(grid) == len(grid.tokens) == 8


def test_a_trace_of_patches_has_their_tokens():
    grid = PatchGrid(1, 2, ("[CLS]",))
    assert Trace((Layer("a", "self", weights()),), patches=grid).tokens == grid.tokens
    with pytest.raises(InputError, match="3 query positions but the trace has 5 input tokens"):
        Trace((Layer("a", "self", weights()),), patches=PatchGrid(2, 2, ("[CLS]",)))


def test_grids_are_equal_with_equal_pictures():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    grid = PatchGrid(1, 2, ("[CLS]",), image)
    assert grid == PatchGrid(1, 2, ("[CLS]",), image.copy())
    assert PatchGrid(1, 2) == PatchGrid(1, 2)
    others = (
        PatchGrid(2, 1, ("[CLS]",), image),
        PatchGrid(1, 2, (), image),
        PatchGrid(1, 2, ("[CLS]",), image + 1),
        PatchGrid(1, 2, ("[CLS]",)),
        "a grid",
    )
    assert all(grid != other for other in others)
    assert others[3] != grid
    black = np.zeros((2, 2, 3), dtype=np.uint8)
    assert PatchGrid(1, 2, (), black) != PatchGrid(1, 2, (), black[:1])


# -- the rest -----------------------------------------------------------------------------------------------


def test_repr_teaches(trace):
    lines = repr(trace).splitlines()
    assert lines[0] == "Trace of tiny: 3 tokens, 4 layers x 2 heads, prediction positive (0.88)"
    assert "trace[layer, head]  Tensor [query, key]" in repr(trace)
    assert "[2, 2, 3] in the last layer" in repr(trace)
    assert "trace.save(path)" in repr(trace)


def test_repr_of_other_traces():
    plain = Trace((Layer("a", "self", weights()), Layer("b", "self", weights(heads=5))))
    assert repr(plain).splitlines()[0] == "Trace of a model: 3 tokens, 2 layers x 2-5 heads"
    grid = Trace(plain.layers, model="vit", patches=PatchGrid(1, 2, ("[CLS]",)))
    assert repr(grid).splitlines()[0] == "Trace of vit: 1 x 2 patches, 2 layers x 2-5 heads"
    assert repr(Trace(())) == "Trace of a model: 0 tokens, 0 layers x 0 heads"


def test_to_a_dtype_changes_the_attention_alone(trace):
    half = trace.to(torch.float16)
    assert half[0].weights.dtype == half[1].query.dtype == torch.float16
    assert half.logits.dtype == torch.float32
    assert torch.allclose(half[1, 0], trace[1, 0], atol=1e-2)
    assert [layer.name for layer in half.layers] == [layer.name for layer in trace.layers]
    assert half.tokens == trace.tokens


def test_to_a_device_moves_attention_and_logits(trace):
    moved = trace[1:2].to("meta")
    assert moved[0].device.type == moved.logits.device.type == "meta"
    assert Trace(()).to("meta").logits is None


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("gpu", "cannot move attention to 'gpu': torch knows no such device; did you mean 'cuda'"),
        ("cuda:99", "cannot move attention to 'cuda:99': there"),
        (torch.int8, "dtype must be a floating-point type"),
        (3.5, "torch knows no such device"),
    ],
)
def test_where_a_trace_cannot_go(target, message):
    for moved in (Trace((Layer("0", "self", Weights(torch.eye(2)[None])),)), Weights(torch.eye(2)[None])):
        with pytest.raises(InputError, match=message):
            moved.to(target)
    assert moved.to("float16").weights.dtype == torch.float16


def test_nbytes_is_that_of_the_attention(trace):
    assert trace.nbytes == sum(trace[i].nbytes for i in range(4))


@pytest.mark.parametrize("path", [5, None, b"it", ["it"]])
def test_a_path_of_another_kind(trace, path):
    for use in (trace.save, Trace.load):
        with pytest.raises(InputError, match=f"must be a str or a Path, not {type(path).__name__}"):
            use(path)


def test_a_trace_is_frozen(trace):
    with pytest.raises(FrozenInstanceError):
        trace.model = "other"


# -- renormalize ----------------------------------------------------------------------------------------------


def dropped_by_hand(weights, keys):
    """Columns set to zero and rows divided by what is left, one number at a time in float64."""
    left = weights.double().clone()
    for h in range(left.shape[0]):
        for i in range(left.shape[1]):
            for j in keys:
                left[h, i, j] = 0.0
            total = float(left[h, i].sum())
            if total > 0:
                left[h, i] /= total
    return left


@pytest.mark.parametrize(
    "attention",
    [
        Factors(torch.randn(4, 6, 3), torch.randn(2, 6, 3), 0.7),
        Factors(torch.randn(2, 6, 3), torch.randn(2, 6, 3), 0.7, mask=Band(None, 0)),
        Factors(torch.randn(2, 6, 3), torch.randn(2, 6, 3), 0.7, bias=torch.randn(2, 6, 6), softcap=2.0),
        Factors(torch.randn(2, 6, 3), torch.randn(2, 6, 3), 0.7, sink=torch.randn(2)),
        Weights(torch.randn(3, 6, 6).softmax(-1)),
        Weights(torch.randn(3, 6, 6).softmax(-1).half()),
        Windows(
            (
                Weights(torch.rand(2, 3, 3).softmax(-1)),
                Factors(torch.randn(2, 3, 3), torch.randn(2, 3, 3), 1.0),
            )
        ),
    ],
    ids=["gqa", "causal", "bias and softcap", "sink", "weights", "half", "windows"],
)
def test_renormalize_equals_dividing_by_hand(attention):
    tokens = tuple(
        Token(name, special=name in ("[CLS]", "[SEP]")) for name in ("[CLS]", "a", "b", ".", "a", "[SEP]")
    )
    trace = Trace((Layer("x", "self", attention),), tokens=tokens)
    weights = attention[:]
    for drop, keys in (("special", [0, 5]), (["a"], [1, 4]), ([0, "."], [0, 3]), ([-1], [5]), ([], [])):
        result = trace.renormalize(drop)
        expected = dropped_by_hand(weights, keys)
        assert (result[0][:] - expected).abs().max() < 1e-3
        assert (result[0][1, 2] - expected[1, 2]).abs().max() < 1e-3
        assert (result[0][:, :, 1] - expected[:, :, 1]).abs().max() < 1e-3
        assert torch.equal(result[0].masked_rows, expected.sum(-1).eq(0).all(0))
        assert result.tokens == trace.tokens
    assert torch.equal(attention[:], weights)


def test_renormalize_drops_the_right_side_of_cross_attention():
    layers = (
        Layer("e", "self", Weights(torch.rand(2, 3, 3).softmax(-1))),
        Layer("c", "cross", Weights(torch.rand(2, 2, 3).softmax(-1)), "output", "input"),
        Layer("p", "self", Weights(torch.rand(2, 7, 7).softmax(-1)), "other", "other"),
    )
    trace = Trace(
        layers, tokens=(Token("a"), Token("b"), Token("</s>", special=True)),
        output_tokens=(Token("<s>", special=True), Token("x")),
    )  # fmt: skip
    result = trace.renormalize()
    for number in (0, 1):
        assert bool((result[number][:, :, 2] == 0).all())
        assert bool((result[number][:, :, 0] > 0).all())
    assert torch.allclose(result[2][:], trace[2][:])


def test_every_function_takes_a_renormalized_trace():
    trace = al.load("sentiment").trace("a gripping , funny film", target="predicted").renormalize()
    assert trace.target is None
    assert trace.layers[0].values.gradient is None
    rolled = al.rollout(trace)
    assert torch.allclose(rolled.sum(-1), torch.ones(len(rolled)))
    assert float(rolled[1, 0]) == 0.0
    assert trace._repr_html_()


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        ("all", "drop must be 'special' or a list"),
        (["nowhere"], "no token 'nowhere' to drop"),
        (["a", "b"], "drop removes every key of every layer"),
        ([9], "no token '9' to drop"),
        (0, "drop must be 'special' or a list of positions and token texts, not 0"),
    ],
)
def test_what_renormalize_cannot_drop(drop, message):
    layer = Layer("e", "self", Weights(torch.rand(2, 2, 2).softmax(-1)))
    with pytest.raises(InputError, match=message):
        Trace((layer,), tokens=(Token("a"), Token("b"))).renormalize(drop)


def test_renormalize_where_one_layer_has_nothing_left():
    """The decoder of a T5 that has read its start token alone: a masked row there, the encoder as asked."""
    layers = (
        Layer("e", "self", Weights(torch.rand(2, 3, 3).softmax(-1))),
        Layer("d", "self", Factors(torch.randn(2, 1, 4), torch.randn(2, 1, 4), 0.5), "output", "output"),
    )
    trace = Trace(
        layers, tokens=(Token("a"), Token("b"), Token("</s>", special=True)),
        output_tokens=(Token("<pad>", special=True),),
    )  # fmt: skip
    result = trace.renormalize()
    assert bool((result[0][:, :, 2] == 0).all())
    assert bool(result[1].masked_rows.all())
    assert torch.equal(trace.renormalize(torch.tensor([2]))[0][:], result[0][:])
    assert torch.equal(trace.renormalize([2])[1][:], trace[1][:])


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"text": "a b c"}, r"text of a trace is a tuple of str, as \(\"film\",\), not 'a b c'"),
        ({"labels": "negative"}, "labels of a trace is a tuple of str"),
        ({"labels": (1, 2)}, r"labels of a trace is a tuple of str, .* not \(1, 2\)"),
        (
            {"tokens": ("a", "b")},
            r"tokens of a trace is a tuple of Token, as \(Token\(\"film\"\),\), not \('a', 'b'\)",
        ),
        ({"output_tokens": "ab"}, "output_tokens of a trace is a tuple of Token"),
        ({"text": "a" * 100_000}, "text of a trace.{1,200}$"),
    ],
)
def test_a_text_where_a_tuple_belongs_is_refused(fields, wrong):
    with pytest.raises(InputError, match=wrong):
        Trace((), **fields)


def test_a_grid_of_patches_takes_no_text_for_its_leading_tokens():
    with pytest.raises(InputError, match="leading of a trace is a tuple of str"):
        PatchGrid(2, 2, "[CLS]")
