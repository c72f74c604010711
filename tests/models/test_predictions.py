"""What a lens predicts is what its traces say, for every kind of head, alone and in batches."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

import attnlens as al
from attnlens.errors import InputError

from .. import tiny

TEXTS = ["a gripping , funny film", "see it", "the story goes nowhere"]

LENSES = {
    "bert": lambda: al.Lens(tiny.bert(num_labels=3), tiny.wordpiece()),
    "multi-label": lambda: al.Lens(
        tiny.bert(num_labels=3, problem_type="multi_label_classification"), tiny.wordpiece()
    ),
    "regression": lambda: al.Lens(tiny.bert(num_labels=1), tiny.wordpiece()),
    "masked": lambda: al.Lens(tiny.bert("ForMaskedLM"), tiny.wordpiece()),
    "gpt2": lambda: al.Lens(tiny.gpt2(), tiny.byte_level()),
    "gpt2 classes": lambda: al.Lens(tiny.gpt2("ForSequenceClassification"), tiny.byte_level()),
    "t5": lambda: al.Lens(tiny.t5(), tiny.metaspace()),
    "bart classes": lambda: al.Lens(tiny.bart("ForSequenceClassification"), tiny.roberta()),
}


@pytest.fixture(scope="module")
def lens():
    return LENSES["bert"]()


@pytest.mark.parametrize("name", LENSES)
def test_a_prediction_is_that_of_the_trace(name):
    lens = LENSES[name]()
    texts = [f"{text} [MASK]" for text in TEXTS] if name == "masked" else TEXTS
    found = lens.predict(texts, batch_size=2, top_k=3)
    for text, one, trace in zip(texts, found, lens.trace(texts, batch_size=2)):
        assert one == trace.prediction
        alone = lens.predict(text)
        assert (alone.label, alone.index) == (one.label, one.index)
        if trace.probabilities is None:
            assert (one.probability, one.top) == (None, ())
            continue
        assert one.top[0] == one
        best = trace.logits.topk(min(3, len(trace.logits))).indices.tolist()
        assert [(a.label, a.index, a.probability) for a in one.top] == [
            (trace.label(i), i, float(trace.probabilities[i])) for i in best
        ]


def test_of_several_labels_each_has_its_own_probability():
    lens = LENSES["multi-label"]()
    found = lens.predict(TEXTS[0], top_k=9)
    assert len(found.top) == 3
    assert sum(one.probability for one in found.top) != pytest.approx(1, abs=0.01)


def test_token_classification_answers_for_each_token():
    lens = al.Lens(tiny.bert("ForTokenClassification", num_labels=3), tiny.wordpiece())
    for text, found in zip(TEXTS, lens.predict(TEXTS)):
        trace = lens.trace(text)
        assert [one.index for one in found] == trace.logits.argmax(-1).tolist()
        torch.testing.assert_close(
            torch.tensor([one.probability for one in found]), trace.logits.softmax(-1).amax(-1)
        )


def test_question_answering_gives_the_words_of_the_answer():
    lens = al.Lens(tiny.bert("ForQuestionAnswering"), tiny.wordpiece())
    pair = ("what is it", TEXTS[0])
    found = lens.predict([pair, ("who", "it")])[0]
    assert found == lens.attribute(pair, method="gradient").prediction
    assert found.index == int(lens.trace(pair).logits[0].argmax())


def test_images_of_several_sizes_and_a_network_without_attention():
    lens = al.load("resnet")
    pictures = list(al.models.sample_images().values())
    names = lens.predict(pictures)
    assert [one.label for one in names][:2] == [lens.predict(picture).label for picture in pictures[:2]]
    found = al.Lens(tiny.HandViT(), patches=(8, 8)).predict([torch.rand(3, 32, 32), torch.rand(3, 64, 32)])
    assert [len(one.top) for one in found] == [3, 3]


def test_long_texts_and_outputs(lens):
    long = f"{TEXTS[0]} " * 40
    with pytest.raises(InputError, match="window=64"):
        lens.predict(long)
    mean = torch.stack([trace.logits for trace in lens.trace(long, window=32)]).mean(0)
    found = lens.predict([long, "see it"], window=32)
    assert found[0].probability == pytest.approx(float(mean.softmax(0).max()))
    assert found[1].probability == pytest.approx(lens.predict("see it").probability)
    t5 = LENSES["t5"]()
    assert t5.predict("see it", output="the film") == t5.trace("see it", output="the film").prediction


def test_nothing_listens_and_the_model_is_left_as_it_was(monkeypatch):
    monkeypatch.setattr("attnlens.models._forward.listen", lambda *_, **__: pytest.fail("captured"))
    lens = LENSES["bert"]()
    lens.model.train()
    assert len(lens.predict(TEXTS)) == 3
    assert lens.model.training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 0}, "top_k must be an integer of at least 1, not 0"),
        ({"batch_size": True}, "batch_size must be an integer of at least 1"),
        ({"top": 3}, "unknown option 'top'"),
        ({"overlap": 3}, "pass window= too"),
        ({"output": "x", "window": 32}, "output= belongs to one text without windows"),
        ({"output": "x"}, "is not an encoder-decoder"),
    ],
)
def test_options_that_are_none(lens, options, message):
    with pytest.raises(InputError, match=message):
        lens.predict("see it", **options)


def test_what_cannot_be_predicted():
    with pytest.raises(InputError, match="returns no class logits"):
        al.Lens(tiny.bert("Model"), tiny.wordpiece()).predict("see it")
    with pytest.raises(InputError, match="no mask in the text"):
        LENSES["masked"]().predict("see it")
    with pytest.raises(InputError, match="predicts at a position of the text"):
        LENSES["gpt2"]().predict("see it", window=32)
    with pytest.raises(InputError, match="input 1: the text is empty"):
        LENSES["bert"]().predict(["see it", ""])
    broken = LENSES["bert"]()
    broken.model.classifier.bias.data[:] = torch.nan
    with pytest.raises(InputError, match="the model's logits are not finite: 3 of 3 are NaN"):
        broken.predict("see it")


# -- lists of every kind --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [pd.Series, np.array, lambda texts: np.array(texts, dtype=object), pd.Index, lambda texts: pd.Series(texts).array],
)  # fmt: skip
def test_what_holds_texts_is_a_list(lens, kind):
    texts = kind(TEXTS)
    assert [trace.text for trace in lens.trace(texts)] == [(text,) for text in TEXTS]
    assert [trace.text for trace in lens.traces(texts)] == [(text,) for text in TEXTS]
    assert lens.predict(texts) == lens.predict(TEXTS)
    found = lens.attribute(texts, method="gradient")
    assert [one.text for one in found] == [(text,) for text in TEXTS]
    assert len(al.attribution.relevance(lens, texts, row=0)) == 3
    assert lens.predict(texts[0] if kind is not pd.Series else texts.iloc[0]).label


def test_images_in_a_series_and_a_picture_as_an_array():
    lens = al.Lens(tiny.vit(), tiny.processor())
    paths = pd.Series(map(str, list(al.models.sample_images().values())[:2]))
    assert len(lens.predict(paths)) == 2
    assert lens.predict(np.zeros((32, 32, 3), np.uint8)).label
    assert lens.predict(np.zeros((32, 32), np.uint8)).label


@pytest.mark.parametrize("given", [pd.DataFrame({"text": TEXTS, "label": 1}), {"text": TEXTS, "label": 1}])
def test_a_table_is_no_list(lens, given):
    with pytest.raises(InputError, match=r"holds several columns \('text', 'label'\); .* table\['text'\]"):
        lens.traces(given)
    if not isinstance(given, dict):
        for ask in (lens.trace, lens.predict, lens.attribute):
            with pytest.raises(InputError, match="holds several columns"):
                ask(given)


@pytest.mark.parametrize(
    "given", [pd.Series(["see it", None]), pd.Series([1.5, 2.5]), np.array(["see it", 3], object)]
)
def test_what_holds_no_texts_is_told_with_its_number(lens, given):
    with pytest.raises(InputError, match=r"takes a str, a pair .* not (NoneType|float|int|Series)"):
        lens.trace(given)


# -- labels ---------------------------------------------------------------------------------------------------

NAMES = ["sad", "short", "long"]


@pytest.mark.parametrize(
    "labels", [NAMES, tuple(NAMES), pd.Series(NAMES), dict(enumerate(NAMES)), np.array(NAMES)]
)
def test_labels_name_the_classes(labels):
    lens = al.Lens(tiny.bert(num_labels=3), tiny.wordpiece(), labels=labels)
    assert lens.labels == tuple(NAMES)
    assert lens.trace("see it").labels == tuple(NAMES)
    assert lens.predict("see it").label in NAMES
    assert lens.attribute("see it", "Short", method="gradient").target.index == 1
    for other in (copy.deepcopy(lens), pickle.loads(pickle.dumps(lens))):
        assert other.labels == tuple(NAMES)
    assert al.Lens(tiny.bert(num_labels=3), tiny.wordpiece()).labels == ("LABEL_0", "LABEL_1", "LABEL_2")


def test_labels_of_a_module_are_counted_when_it_has_run():
    pixels = torch.rand(3, 32, 32)
    assert al.Lens(tiny.HandViT(), patches=(8, 8), labels=NAMES).trace(pixels).prediction.label in NAMES
    lens = al.Lens(tiny.HandViT(), patches=(8, 8), labels=["cat", "dog"])
    for ask in (lens.trace, lens.predict, lens.attribute):
        with pytest.raises(
            InputError, match=r"labels names 2 classes \(cat, dog\), and HandViT has 3 logits"
        ):
            ask(pixels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "b"], r"labels names 2 classes \(a, b\), and BertForSequenceClassification has 3 logits"),
        (["a", "b", "a"], "labels names two classes 'a'"),
        ("abc", "labels must be a list of class names .* not 'abc'"),
        ([], "labels must be a list of class names"),
        ([0, 1, 2], "labels must be a list of class names"),
        ({1: "a", 2: "b", 3: "c"}, "must name the classes 0, 1, ... without a gap"),
    ],
)
def test_labels_that_do_not_fit(labels, message):
    with pytest.raises(InputError, match=message):
        al.Lens(tiny.bert(num_labels=3), tiny.wordpiece(), labels=labels)


def test_what_a_lens_cannot_be_told():
    model, tokenizer = tiny.bert(), tiny.wordpiece()
    with pytest.raises(InputError, match="those of GPT2LMHeadModel are tokens; omit labels="):
        al.Lens(tiny.gpt2(), tiny.byte_level(), labels=["a"])
    with pytest.raises(
        InputError,
        match=r"takes no device=; convert the model first: Lens\(model\.to\('cuda'\)",
    ):
        al.Lens(model, tokenizer, device="cuda")
    with pytest.raises(InputError, match=r"option of TextLens 'label'; expected one of: tokenizer, labels"):
        al.Lens(model, tokenizer, label=["a"])
    with pytest.raises(InputError, match="unknown option of TextLens 'patches'"):
        al.lens.TextLens(model, tokenizer, patches=(8, 8))


# -- a grid of patches that nobody gave -----------------------------------------------------------------------


def test_a_vision_module_without_its_grid_says_how_to_give_it():
    trace = al.Lens(tiny.HandViT()).trace(torch.rand(3, 32, 32))
    for ask in (al.plots.patches, al.plots.layers, al.PatchView):
        with pytest.raises(InputError, match=r"no grid of patches.*Lens\(model, patches=\(rows, cols\)\)"):
            ask(trace)
    for module in (torch.nn.Sequential(torch.nn.Unfold(4, stride=4), torch.nn.Linear(64, 3)),):
        with pytest.raises(InputError, match=r"Lens\(module, preprocess, patches=\(rows, cols\)\)"):
            al.Lens(module, lambda picture: picture)
        with pytest.raises(
            InputError, match=r"for a vision module pass the patch grid: Lens\(model, patches="
        ):
            al.Lens(module)
