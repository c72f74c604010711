"""A lens on a text model: what goes in, in which order traces come out, and what they say."""

from __future__ import annotations

import copy
import pickle
import weakref
from itertools import count

import numpy as np
import pytest
import torch
import transformers as hf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import attnlens as al
from attnlens.errors import AttnlensError, InputError
from attnlens.lens import TextLens
from attnlens.lens._lens import READ_AHEAD
from attnlens.models import _text_inputs

from . import tiny

LENSES = {
    "bert": lambda: al.Lens(tiny.bert(), tiny.wordpiece()),
    "distilbert": lambda: al.Lens(tiny.distilbert(), tiny.wordpiece()),
    "roberta": lambda: al.Lens(tiny.roberta_model(), tiny.roberta()),
    "bert tokens": lambda: al.Lens(tiny.bert("ForTokenClassification"), tiny.wordpiece()),
    "bert question": lambda: al.Lens(tiny.bert("ForQuestionAnswering"), tiny.wordpiece()),
    "bert base": lambda: al.Lens(tiny.bert("Model"), tiny.wordpiece()),
    "gpt2": lambda: al.Lens(tiny.gpt2(), tiny.byte_level()),
    "gpt2 padding left": lambda: al.Lens(tiny.gpt2(), tiny.byte_level("<|end|>", "left")),
    "gpt2 classes": lambda: al.Lens(tiny.gpt2("ForSequenceClassification"), tiny.byte_level()),
    "gpt2 classes padded": lambda: al.Lens(
        tiny.gpt2("ForSequenceClassification", pad_token_id=0), tiny.byte_level("<|end|>", "left")
    ),
    "llama": lambda: al.Lens(tiny.llama(), tiny.byte_level()),
    "llama classes": lambda: al.Lens(tiny.llama("ForSequenceClassification"), tiny.byte_level()),
    "t5": lambda: al.Lens(tiny.t5(), tiny.metaspace()),
    "bart": lambda: al.Lens(tiny.bart(), tiny.roberta()),
    "bart classes": lambda: al.Lens(tiny.bart("ForSequenceClassification"), tiny.roberta()),
}


@pytest.fixture(scope="module")
def lenses():
    built = {}

    def lens(name):
        if name not in built:
            kind, _, double = name.partition(" in double")
            built[name] = LENSES[kind]()
            built[name].model.to(torch.float64 if double else torch.float32)
        return built[name]

    return lens


@pytest.fixture(scope="module")
def lens(lenses):
    return lenses("bert")


# -- a model in hand ------------------------------------------------------------------------------------------


def test_a_tokenizer_makes_a_text_lens_and_a_processor_an_image_lens():
    assert type(al.Lens(tiny.bert(), tiny.wordpiece())) is al.lens.TextLens
    assert type(al.Lens(tiny.vit(), tiny.processor())) is al.lens.ImageLens
    assert type(al.Lens(tiny.vit())) is al.lens.ImageLens
    assert type(al.Lens(tiny.HandViT(), patches=(8, 8))) is al.lens.ImageLens


def test_a_text_model_without_its_tokenizer():
    with pytest.raises(
        InputError,
        match=r"needs its tokenizer: .* a transformers tokenizer, not NoneType.*"
        r"attnlens\.capture\(model\).*recording\.traces\(tokens=\.\.\.\).*patches=",
    ):
        al.Lens(tiny.bert())


@pytest.mark.parametrize("name", LENSES)
def test_a_trace_keeps_its_own_logits_alone(lenses, name):
    for trace in lenses(name).trace(list(tiny.SENTENCES[:3])):
        if trace.logits is not None:
            assert trace.logits.untyped_storage().nbytes() == trace.logits.nbytes


def test_a_lone_error_is_not_its_own_cause(lens):
    with pytest.raises(InputError) as caught:
        lens.trace("")
    assert caught.value.__cause__ is not caught.value
    assert "input 0" not in str(caught.value)
    with pytest.raises(InputError, match="input 1: ") as caught:
        lens.trace(["good", ""])
    assert isinstance(caught.value.__cause__, InputError)


def test_an_unknown_option_lists_the_known_ones(lens):
    with pytest.raises(
        InputError,
        match=r"option 'stride'; .*: store, .*, gates, batch_size, window, overlap, output",
    ):
        lens.trace("see it", stride=64)
    with pytest.raises(
        InputError, match=r"option 'sort'; .*: store, dtype, values, target, gates, batch_size"
    ):
        lens.traces(["see it"], sort=True)
    with pytest.raises(InputError, match="unknown option 'window'"):
        al.Lens(tiny.vit(), tiny.processor()).trace(torch.rand(3, 32, 32), window=3)


@pytest.mark.parametrize("processor", ["bert", 3, nn.Linear(2, 2), object()])
def test_a_processor_of_another_kind(processor):
    with pytest.raises(InputError, match=f"not {type(processor).__name__}"):
        al.Lens(tiny.bert(), processor)


@pytest.mark.parametrize("model", ["sentiment", None, 3, tiny.wordpiece()])
def test_only_a_torch_module_is_a_model(model):
    with pytest.raises(InputError, match=rf"needs a torch module, not {type(model).__name__}; al\.load\(\)"):
        al.Lens(model, tiny.wordpiece())


def test_a_lens_can_be_copied_and_pickled(lens):
    text = tiny.SENTENCES[0]
    for twin in (copy.copy(lens), copy.deepcopy(lens), pickle.loads(pickle.dumps(lens))):
        assert isinstance(twin, TextLens)
        tiny.assert_same_trace(twin.trace(text), lens.trace(text))


def test_the_repr_states_what_can_be_computed(lens):
    assert "BertForSequenceClassification" in repr(lens)
    assert "LABEL_0, LABEL_1" in repr(lens)
    assert "lens.trace(input)" in repr(lens)
    assert len(repr(LENSES["gpt2"]())) < 500


class Pooled(nn.Module):
    """A hand-written text model: it takes ids, and says nothing of masks."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(tiny.wordpiece()), 16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = nn.Linear(16, 3)
        self.labels = ("a", "b", "c")

    def forward(self, input_ids):
        x = self.embedding(input_ids)
        return self.head(self.attention(x, x, x)[0].mean(1))


def test_a_hand_written_text_model():
    lens = al.Lens(Pooled(), tiny.wordpiece())
    together = lens.trace(list(tiny.SENTENCES))
    for text, trace in zip(tiny.SENTENCES, together):
        tiny.assert_same_trace(trace, lens.trace(text))
    assert together[0].labels == ("a", "b", "c")
    assert together[0].prediction.label in "abc"


def test_a_model_that_fails_on_its_input_says_which():
    small = tiny.seeded(lambda: hf.BertModel(hf.BertConfig(vocab_size=120, **tiny.TEXT)))
    small.embeddings.position_embeddings = nn.Embedding(2, small.config.hidden_size)
    with pytest.raises(
        InputError, match=r"BertModel failed on its input \(input_ids \[1, 5\] int64, .*IndexError"
    ):
        al.Lens(small, tiny.wordpiece()).trace("see it .")


def test_a_vision_model_with_a_tokenizer():
    with pytest.raises(InputError, match="ViTForImageClassification takes pixel_values, not text"):
        al.Lens(tiny.vit(), tiny.wordpiece())


# -- many inputs ----------------------------------------------------------------------------------------------


WORDS = sorted({word for text in tiny.SENTENCES for word in text.split()})
texts = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join), min_size=1, max_size=7
)


@pytest.mark.parametrize("name", LENSES)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(inputs=texts, batch_size=st.integers(1, 4))
def test_batched_equals_one_by_one(lenses, name, inputs, batch_size):
    lens = lenses(f"{name} in double precision")
    together = lens.trace(inputs, batch_size=batch_size)
    assert [trace.text for trace in together] == [(text,) for text in inputs]
    for text, trace in zip(inputs, together):
        tiny.assert_same_trace(trace, lens.trace(text), tolerance=1e-8)


def test_batches_hold_texts_of_similar_length(lens, monkeypatch):
    widths = []
    original = type(lens.model).forward

    def forward(self, input_ids, *args, **kwargs):
        widths.append(tuple(input_ids.shape))
        return original(self, input_ids, *args, **kwargs)

    forward.__signature__ = __import__("inspect").signature(original)
    monkeypatch.setattr(type(lens.model), "forward", forward)
    lens.trace(["film " * n for n in (2, 20, 3, 19, 4, 18)], batch_size=3)
    assert widths == [(3, 22), (3, 6)]


def test_a_pair_among_texts(lens):
    mixed = ["see it", ("flat", "the story goes nowhere"), "a film"]
    for input, trace in zip(mixed, lens.trace(mixed)):
        tiny.assert_same_trace(trace, lens.trace(input))


def test_no_inputs_no_traces(lens):
    assert lens.trace([]) == []
    assert list(lens.traces(iter(()))) == []


def test_traces_reads_a_few_batches_ahead_and_keeps_nothing(lens, monkeypatch):
    read, alive = count(), weakref.WeakSet()

    class Watched(al.Trace):
        def __post_init__(self):
            super().__post_init__()
            alive.add(self)

    monkeypatch.setattr("attnlens.lens._text.Trace", Watched)

    def endless():
        while True:
            yield f"film {'love ' * (next(read) % 5)}"

    traces = lens.traces(endless(), batch_size=2)
    assert next(read) == 0  # nothing is read before the first trace is asked for
    for number in range(1, 41):
        trace = weakref.ref(next(traces))
        assert trace() is None  # nobody but the reader held it
        assert len(alive) < 2 * READ_AHEAD
        assert read.__reduce__()[1][0] <= number + 2 * READ_AHEAD


def test_an_input_that_cannot_be_read_is_named(lens):
    with pytest.raises(InputError, match="input 2: the text is empty"):
        lens.trace(["see it", "flat", " "])
    with pytest.raises(InputError, match=r"^the text is empty"):
        lens.trace("")
    traces = lens.traces(["see it"] * 8 + [3], batch_size=2)
    assert len([next(traces) for _ in range(8)]) == 8
    with pytest.raises(InputError, match=r"input 8: .* not int"):
        next(traces)


@pytest.mark.parametrize("inputs", ["one text", b"bytes", 3, None])
def test_traces_of_a_single_input(lens, inputs):
    with pytest.raises(InputError, match=r"an iterable of inputs, not .*trace\(input\)"):
        lens.traces(inputs)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True, "2"])
def test_a_batch_size_that_is_none(lens, batch_size):
    with pytest.raises(InputError, match="batch_size must be an integer of at least 1"):
        lens.trace(["a"], batch_size=batch_size)


def test_store_and_dtype_reach_the_capture(lens):
    factors = lens.trace("see it", store="factors", dtype=torch.float16)
    assert type(factors[0]) is al.data.Factors
    assert factors[0].query.dtype is torch.float16
    assert type(lens.trace("see it", store="weights")[0]) is al.data.Weights
    with pytest.raises(InputError, match="unknown store 'dense'"):
        lens.trace("see it", store="dense")


# -- the model is left alone ----------------------------------------------------------------------------------


def test_modes_are_restored_and_answers_come_from_eval_mode():
    lens = al.Lens(tiny.bert(), tiny.wordpiece())
    expected = lens.trace("see it")
    lens.model.train()
    lens.model.bert.encoder.layer[0].eval()
    modes = [module.training for module in lens.model.modules()]
    tiny.assert_same_trace(lens.trace("see it"), expected, tolerance=0)
    assert [module.training for module in lens.model.modules()] == modes
    with pytest.raises(InputError):
        lens.trace("see it " * 90)
    with pytest.raises(InputError, match="unknown store"):
        lens.trace("see it", store="no")
    lens.model.bert.embeddings.position_embeddings = nn.Embedding(2, 32)
    with pytest.raises(InputError, match="failed on its input"):
        lens.trace("see it")
    assert [module.training for module in lens.model.modules()] == modes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in lens.model.modules())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_the_model_keeps_its_dtype(dtype):
    lens = al.Lens(tiny.bert().to(dtype), tiny.wordpiece())
    trace = lens.trace("a gripping , funny film")
    assert lens.dtype is dtype
    assert trace.logits.dtype is dtype
    assert all(p.dtype is dtype for p in lens.model.parameters())
    plain = al.Lens(tiny.bert(), tiny.wordpiece()).trace("a gripping , funny film")
    close = {"atol": 0.3 if dtype is torch.bfloat16 else 0.03, "rtol": 0.1}
    torch.testing.assert_close(trace.logits.float(), plain.logits, **close)
    torch.testing.assert_close(trace[1].mean().float(), plain[1].mean(), **close)


# -- long texts -----------------------------------------------------------------------------------------------


LONG = " ".join(tiny.SENTENCES) + " " + " ".join(reversed(tiny.SENTENCES))


@pytest.mark.parametrize(("name", "limit"), [("bert", 64), ("roberta", 64), ("gpt2", 64)])
def test_a_text_over_the_maximum_names_window(lenses, name, limit):
    lens = lenses(name)
    assert lens.max_tokens == limit
    with pytest.raises(InputError, match=r"takes 64; .*windows: window=64, or --window 64 in a shell"):
        lens.trace(LONG * 3)
    words = "see " * 200
    fits = next(n for n in range(200, 0, -1) if len(lens.tokenizer("see " * n)["input_ids"]) <= 64)
    assert len(lens.trace("see " * fits).tokens) <= limit
    with pytest.raises(InputError, match="split it into overlapping windows"):
        lens.trace(words[: 4 * (fits + 1)])


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "t5"])
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(size=st.integers(12, 40), data=st.data())
def test_windows_cover_the_whole_text(lenses, name, size, data):
    lens = lenses(name)
    special = lens.tokenizer.num_special_tokens_to_add()
    overlap = data.draw(st.integers(0, size - special - 1))
    traces = lens.trace(LONG, window=size, overlap=overlap)
    whole = tiny_tokens(lens, LONG)
    parts = [[token for token in trace.tokens if not token.special] for trace in traces]
    assert all(len(trace.tokens) <= size for trace in traces)
    joined = parts[0]
    for part in parts[1:]:
        assert [place(t) for t in joined[len(joined) - overlap :]] == [place(t) for t in part[:overlap]]
        joined = joined + part[overlap:]
    assert [place(t) for t in joined] == [place(t) for t in whole]
    assert [t.passages for t in traces] == [(LONG[part[0].start : part[-1].end],) for part in parts]
    assert all(trace.text == (LONG,) for trace in traces)


def place(token):
    """A token without its span's first blank, which tokenizers count at the start of a window and not elsewhere."""
    return token.text, token.id, token.word, LONG[token.start : token.end].strip()


def tiny_tokens(lens, text):
    encoded = lens.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    encoded = zip(encoded["input_ids"], encoded["offset_mapping"], encoded.word_ids())
    from attnlens.models._text_inputs import speller

    spell = speller(lens.tokenizer)
    return tuple(
        al.data.Token(
            spell(lens.tokenizer.convert_ids_to_tokens(id), text[a:b]), id, word=word, start=a, end=b
        )
        for id, (a, b), word in encoded
    )


def test_a_window_is_what_its_text_alone_would_be(lens):
    traces = lens.trace(LONG, window=20, overlap=5)
    second = [token for token in traces[1].tokens if not token.special]
    alone = lens.trace(LONG[second[0].start : second[-1].end])
    assert [t.id for t in traces[1].tokens] == [t.id for t in alone.tokens]
    torch.testing.assert_close(traces[1].logits, alone.logits, atol=1e-4, rtol=1e-4)
    assert second[0].start > 0


def test_a_short_text_is_one_window_and_lists_are_lists_of_lists(lens):
    [only] = lens.trace("see it", window=20)
    tiny.assert_same_trace(only, lens.trace("see it"))
    short, long = lens.trace(["see it", LONG], window=20)
    assert len(short) == 1
    assert len(long) > 3


def test_a_tokenizer_that_cuts_on_the_left_gives_windows_in_order():
    tokenizer = copy.deepcopy(tiny.wordpiece())
    tokenizer.truncation_side = "left"
    traces = al.Lens(tiny.bert(), tokenizer).trace(LONG, window=20, overlap=0)
    starts = [trace.tokens[1].start for trace in traces]
    assert starts == sorted(starts)
    assert starts[0] == 0


def test_a_pair_in_windows_repeats_its_first_text(lens):
    traces = lens.trace(("see it", LONG), window=24, overlap=4)
    assert len(traces) > 3
    covered = set()
    for trace in traces:
        first = [t for t in trace.tokens if t.segment == 0 and not t.special]
        second = [t for t in trace.tokens if t.segment == 1 and not t.special]
        assert [t.text for t in first] == ["see", "it"]
        assert all(LONG[t.start : t.end].lower().startswith(t.text.strip("#")[:1]) for t in second)
        covered |= {t.start for t in second}
        assert trace.text == ("see it", LONG)
    assert covered == {t.start for t in tiny_tokens(lens, LONG)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 2}, r"window must be at least 3 tokens and at most 64, not 2"),
        ({"window": 65}, r"window must be .* at most 64, not 65"),
        ({"window": 0}, "window must be"),
        ({"window": -4}, "window must be"),
        ({"window": 9.5}, "window must be"),
        ({"window": "all"}, "window must be"),
        ({"window": 10, "overlap": 8}, "overlap must be an integer from 0 to 7, not 8"),
        ({"window": 10, "overlap": -1}, "overlap must be"),
        ({"window": 10, "overlap": 0.5}, "overlap must be"),
        ({"overlap": 3}, "pass window= too"),
    ],
)
def test_windows_that_do_not_fit(lens, options, message):
    with pytest.raises(InputError, match=message):
        lens.trace(LONG, **options)


def test_a_pair_whose_first_text_leaves_no_room(lens):
    with pytest.raises(InputError, match=r"window must be at least .* the first text of the pair among them"):
        lens.trace((LONG[:200], LONG), window=20)


def test_a_window_of_the_smallest_size(lens):
    traces = lens.trace("a film with a story", window=3)
    assert [trace.tokens[1].text for trace in traces] == ["a", "film", "with", "a", "story"]


# -- texts that cannot be read --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u3000"])
def test_an_empty_text(lens, text):
    with pytest.raises(InputError, match="the text is empty; give at least one word"):
        lens.trace(text)
    with pytest.raises(InputError, match="the text is empty"):
        lens.trace(("a film", text))


def test_a_text_of_nothing_that_the_tokenizer_reads(lens):
    with pytest.raises(InputError, match="the tokenizer finds no token in"):
        lens.trace("\x00\x01")


@pytest.mark.parametrize(
    ("input", "kinds"),
    [
        (3, "int"), (None, "NoneType"), (b"a", "bytes"), ({"text": "a"}, "dict"), (torch.ones(3), "Tensor"),
        (("a", 3), r"a tuple \(str, int\)"), (("a", "b", "c"), r"a tuple \(str, str, str\)"), ((), "a tuple"),
        ((x for x in "ab"), "generator"),
    ],
)  # fmt: skip
def test_a_text_of_another_type(lens, input, kinds):
    with pytest.raises(InputError, match=f"takes a str, a pair .*, or a list of these, not {kinds}"):
        lens.trace(input)


def test_half_a_surrogate_pair(lens):
    with pytest.raises(InputError, match=r"surrogate pair at character 2.*errors='replace'"):
        lens.trace("a \ud83c film")


# -- tokens ---------------------------------------------------------------------------------------------------


TRICKY = "Ünïque\tFILM  🎬 é \n don't 👩‍👧 end—日本"


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "t5"])
def test_spans_index_the_given_text(lenses, name):
    trace = lenses(name).trace(TRICKY)
    tokens = [token for token in trace.tokens if not token.special]
    covered = set()
    for token in tokens:
        assert 0 <= token.start <= token.end <= len(TRICKY)
        covered |= set(range(token.start, token.end))
    missing = {TRICKY[i] for i in set(range(len(TRICKY))) - covered}
    assert all(character.isspace() or character in "\u200d" for character in missing)
    assert [t.start for t in tokens] == sorted(t.start for t in tokens)
    assert all(t.word is not None and t.segment == 0 for t in tokens)
    assert all(t.start is t.end is t.word is None for t in trace.tokens if t.special)


def test_wordpiece_tokens(lens):
    trace = lens.trace("A Stretched film")
    seen = [(t.text, t.word, t.special) for t in trace.tokens]
    assert seen[:2] == [("[CLS]", None, True), ("a", 0, False)]
    assert seen[2:5] == [("stretch", 1, False), ("##e", 1, False), ("##d", 1, False)]
    assert ("film", 2, False) in seen
    film = next(t for t in trace.tokens if t.text == "film")
    assert trace.text[0][film.start : film.end] == "film"
    assert film.id == lens.tokenizer.convert_tokens_to_ids("film")
    pieces = [t for t in trace.tokens if t.word == 1]
    assert "".join(trace.text[0][t.start : t.end] for t in pieces) == "Stretched"


def test_byte_level_tokens_are_readable(lenses):
    text = "see 🎬 été\nfilm"
    trace = lenses("gpt2").trace(text)
    shown = [token.text for token in trace.tokens]
    assert " film" not in shown
    assert "\n" in shown
    assert not any(mark in "".join(shown) for mark in "ĠĊðŁÃ�")
    clapper = [t for t in trace.tokens if t.text == "🎬"]
    assert len(clapper) > 1
    assert {text[t.start : t.end] for t in clapper} <= {"🎬", " 🎬", ""}
    assert [t.text for t in lenses("gpt2").trace("a film").tokens] == ["a", " film"]


def test_metaspace_tokens_are_readable(lenses):
    trace = lenses("t5").trace("the film 🎬")
    shown = [token.text for token in trace.tokens]
    assert "▁" not in "".join(shown)
    assert shown[0].startswith(" t")
    assert shown[-1] == "</s>"
    assert trace.tokens[-1].special


def test_byte_fallback_tokens_show_their_character():
    from attnlens.models._text_inputs import speller

    spell = speller(tiny.metaspace())
    assert spell("<0xF0>", "🎬") == "🎬"
    assert spell("▁film") == " film"
    assert speller(tiny.wordpiece())("##ing") == "##ing"


def test_pairs_have_segments(lenses):
    for name in ("bert", "roberta", "t5"):
        first, second = "a film", "the story goes"
        trace = lenses(name).trace((first, second))
        assert trace.text == (first, second)
        for token in trace.tokens:
            if not token.special:
                source = (first, second)[token.segment][token.start : token.end]
                assert source.strip() == token.text.strip("# ")
        assert {t.segment for t in trace.tokens if not t.special} == {0, 1}
    trace = lenses("bert").trace((first, second))
    assert [t.segment for t in trace.tokens if t.special] == [0, 0, 1]


def test_special_tokens_in_the_text_are_text(lenses):
    trace = lenses("bert").trace("a [MASK] film")
    mask = next(t for t in trace.tokens if t.text == "[MASK]")
    assert (mask.start, mask.end) == (2, 8)


@pytest.mark.parametrize("window", [None, 12])
def test_a_tokenizer_written_in_python(window):
    tokenizer = hf.ByT5Tokenizer()
    assert not tokenizer.is_fast
    config = hf.BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **tiny.TEXT)
    lens = al.Lens(tiny.seeded(lambda: hf.BertForSequenceClassification(config)), tokenizer)
    text = "a long film é"
    traces = lens.trace(text, window=window, overlap=3) if window else [lens.trace(text)]
    shown = [[t.text for t in trace.tokens if not t.special] for trace in traces]
    joined = shown[0]
    for part in shown[1:]:
        assert joined[-3:] == part[:3]
        joined = joined + part[3:]
    assert "".join(joined).startswith("a long film ")
    assert all(trace.tokens[-1].special for trace in traces)
    assert all(len(trace.tokens) <= (window or 64) for trace in traces)
    [_, two] = lens.trace([text, "a film"])
    tiny.assert_same_trace(two, lens.trace("a film"))


def test_inputs_that_the_model_does_not_take_are_left_out(lenses):
    lens = lenses("distilbert")
    assert "token_type_ids" in lens.tokenizer.model_input_names
    assert set(lens.batch([lens.encode("a film")])) == {"input_ids", "attention_mask"}


# -- what comes out -------------------------------------------------------------------------------------------


def direct(lens, text, **more):
    encoded = lens.tokenizer(text, return_tensors="pt")
    encoded.pop("token_type_ids", None)
    with torch.no_grad():
        return lens.model(**encoded, **more)


TEXT = "a gripping , funny film"


def test_sequence_classification(lens):
    trace = lens.trace(TEXT)
    expected = direct(lens, TEXT).logits[0]
    torch.testing.assert_close(trace.logits, expected)
    assert trace.labels == ("LABEL_0", "LABEL_1")
    assert trace.prediction.label == trace.labels[int(expected.argmax())]
    assert trace.prediction.probability == pytest.approx(float(expected.softmax(0).max()), abs=1e-6)


def test_multi_label(lens):
    model = tiny.bert(num_labels=3, problem_type="multi_label_classification")
    model.config.id2label = {2: "long", 0: "sad", 1: "short"}
    trace = al.Lens(model, tiny.wordpiece()).trace(TEXT)
    assert trace.labels == ("sad", "short", "long")
    assert trace.activation == "sigmoid"
    torch.testing.assert_close(trace.probabilities, trace.logits.sigmoid())


@pytest.mark.parametrize("options", [{"num_labels": 1}, {"num_labels": 1, "problem_type": "regression"}])
def test_regression(options):
    trace = al.Lens(tiny.bert(**options), tiny.wordpiece()).trace(TEXT)
    assert trace.activation == "none"
    assert trace.prediction.probability is None
    assert float(trace.prediction.label) == pytest.approx(float(trace.logits[0]), rel=1e-3)


def test_token_classification(lenses):
    lens = lenses("bert tokens")
    trace = lens.trace(TEXT)
    torch.testing.assert_close(trace.logits, direct(lens, TEXT).logits[0])
    assert trace.logits.shape == (len(trace.tokens), 2)
    assert trace.labels == ("LABEL_0", "LABEL_1")
    assert trace.prediction is None


def test_question_answering(lenses):
    lens = lenses("bert question")
    pair = ("what is it", TEXT)
    trace = lens.trace(pair)
    output = lens.model(**lens.tokenizer(*pair, return_tensors="pt"))
    assert trace.logits.shape == (2, len(trace.tokens))
    torch.testing.assert_close(trace.logits[0], output.start_logits[0])
    torch.testing.assert_close(trace.logits[1], output.end_logits[0])


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_causal_model_predicts_the_next_token(lenses, name):
    lens = lenses(name)
    trace = lens.trace(TEXT)
    expected = direct(lens, TEXT).logits[0, -1]
    torch.testing.assert_close(trace.logits, expected)
    index = int(expected.argmax())
    assert trace.prediction.index == index
    assert trace.prediction.label == lens.tokenizer.decode([index])
    film = lens.tokenizer.convert_tokens_to_ids("Ġfilm")
    assert trace.label(film) == " film"
    assert lens.target_index(" film") == film
    assert trace.labels is lens.trace("see it").labels
    for layer in trace.layers:
        assert float(layer.attention[:].triu(1).abs().max()) == 0


def test_a_language_model_with_more_logits_than_tokens_answers_for_each():
    """As models whose vocabulary was padded to a round number."""
    last = len(tiny.byte_level()) + 69
    small = {"n_embd": 32, "n_layer": 2, "n_head": 4, "bos_token_id": 0, "eos_token_id": 0}
    config = hf.GPT2Config(vocab_size=last + 1, **small)
    lens = al.Lens(tiny.seeded(lambda: hf.GPT2LMHeadModel(config)), tiny.byte_level())
    assert lens.trace("see it").label(last) == f"class {last}"
    assert lens.attribute("see it", last, method="gradient_x_input").target.index == last
    with pytest.raises(InputError, match=f"target {last + 1} is no class: the model has {last + 1}"):
        lens.attribute("see it", last + 1, method="gradient_x_input")


def test_a_masked_model_fills_the_mask():
    lens = al.Lens(tiny.bert("ForMaskedLM"), tiny.wordpiece())
    trace = lens.trace("a [MASK] , funny [MASK]")
    torch.testing.assert_close(trace.logits, direct(lens, "a [MASK] , funny [MASK]").logits[0, 2])
    assert trace.prediction.label == lens.tokenizer.convert_ids_to_tokens(trace.prediction.index)
    assert lens.trace("no mask").logits is None
    assert lens.trace("no mask").prediction is None
    padded = lens.trace(["a [MASK] film", TEXT])[0]
    tiny.assert_same_trace(padded, lens.trace("a [MASK] film"))


def test_a_base_model_has_no_logits(lenses):
    trace = lenses("bert base").trace(TEXT)
    assert trace.logits is None
    assert trace.labels == ()
    assert trace.prediction is None


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_an_encoder_decoder_has_two_sides(lenses, name):
    lens = lenses(name)
    output = "the film"
    trace = lens.trace(TEXT, output=output)
    ids = lens.tokenizer(output, add_special_tokens=False)["input_ids"]
    start = lens.model.config.decoder_start_token_id
    assert [t.id for t in trace.output_tokens] == [start, *ids]
    assert trace.output_tokens[0].special
    assert "".join(t.text for t in trace.output_tokens[1:]).strip() == output
    sides = {(layer.name.split(".")[-6 if name == "t5" else -4], layer.kind): layer for layer in trace.layers}
    assert sides
    for layer in trace.layers:
        decoder = "decoder" in layer.name.split(".")
        expected = (
            "output" if decoder else "input",
            "output" if decoder and layer.kind == "self" else "input",
        )
        assert (layer.query_side, layer.key_side) == expected
        counts = {"input": len(trace.tokens), "output": len(trace.output_tokens)}
        assert layer.attention.shape[1:] == tuple(counts[side] for side in expected)
    assert {layer.kind for layer in trace.layers} == {"self", "cross"}
    expected = direct(lens, TEXT, decoder_input_ids=torch.tensor([[start, *ids]])).logits[0, -1]
    torch.testing.assert_close(trace.logits, expected)
    assert len(trace.axis_tokens(0)[0]) == len(trace.tokens)


def test_without_output_the_decoder_reads_its_start(lenses):
    trace = lenses("t5").trace(TEXT)
    assert [t.text for t in trace.output_tokens] == ["<pad>"]
    assert trace.logits.shape == (len(lenses("t5").tokenizer),)


def test_output_where_there_is_none_to_give(lenses):
    with pytest.raises(InputError, match="is not an encoder-decoder"):
        lenses("bert").trace(TEXT, output="a film")
    with pytest.raises(InputError, match="one text without windows"):
        lenses("t5").trace([TEXT], output="a film")
    with pytest.raises(InputError, match="one text without windows"):
        lenses("t5").trace(TEXT, output="a film", window=8)
    with pytest.raises(InputError, match="a str, not list"):
        lenses("t5").trace(TEXT, output=["a film"])


# -- targets --------------------------------------------------------------------------------------------------


def test_targets_by_name_case_and_index():
    model = tiny.bert(num_labels=3)
    model.config.id2label = {0: "Good", 1: "good", 2: "Very bad"}
    lens = al.Lens(model, tiny.wordpiece())
    assert [lens.target_index(t) for t in ("Good", "good", "GOOD", "very bad", " very bad ")] == [
        0,
        1,
        0,
        2,
        2,
    ]
    assert [lens.target_index(t) for t in (0, 2, torch.tensor(1), __import__("numpy").int64(2))] == [
        0,
        2,
        1,
        2,
    ]


@pytest.mark.parametrize("target", [2, -1, 1.0, True, None, [0]])
def test_a_target_index_that_is_no_class(lens, target):
    with pytest.raises(InputError, match="is no class; give an index from 0 to 1, or a name"):
        lens.target_index(target)


def test_an_unknown_target_lists_the_classes(lens, lenses):
    with pytest.raises(
        InputError, match=r"unknown target 'LABEL_3'; expected one of: LABEL_0, LABEL_1\. Did you"
    ):
        lens.target_index("LABEL_3")
    with pytest.raises(InputError, match="names no classes; give a class index"):
        lenses("bert base").target_index("good")
    with pytest.raises(InputError) as caught:
        lenses("gpt2").target_index("fillm")
    assert "Closest: " in str(caught.value)
    assert "film" in str(caught.value)
    assert len(str(caught.value)) < 400


# -- targets, values, gates -----------------------------------------------------------------------------------


def test_a_target_keeps_values_and_gradients():
    """Every input of a batch has the gradient of its own target, as if it had been alone."""
    lens = al.load("sentiment")
    texts = ["a gripping , funny film", "flat", "not a bad film"]
    together = lens.trace(texts, target="predicted")
    for text, trace in zip(texts, together):
        assert trace.target == trace.prediction.index
        alone = lens.trace(text, target=trace.prediction.label)
        assert alone.target == trace.target
        for one, other in zip(trace.layers, alone.layers):
            assert torch.allclose(one.values.value, other.values.value, atol=1e-5)
            assert torch.allclose(one.values.gradient, other.values.gradient, atol=1e-5)
        assert not trace.logits.requires_grad
    plain = lens.trace(texts[0])
    assert plain.target is None
    assert plain.layers[0].values is None
    assert torch.equal(plain.logits, lens.trace(texts[0], values=True).logits)
    assert all(parameter.requires_grad for parameter in lens.model.parameters())
    assert not any(module._forward_hooks for module in lens.model.modules())


def test_targets_that_are_none():
    lens = al.load("sentiment")
    with pytest.raises(InputError, match="unknown target 'angry'; expected one of: negative, positive"):
        lens.trace("fine", target="angry")
    bare = al.Lens(lens.model.distilbert, lens.tokenizer)
    with pytest.raises(InputError, match="returns no class logits whose gradient could be kept"):
        bare.trace("fine", target=0)
    with pytest.raises(InputError, match="target 7 is no class; give an index from 0 to 3"):
        al.Lens(al.models.MiniViT(), patches=(8, 8)).trace(torch.rand(3, 32, 32), target=7)


def test_gates_switch_heads_off_for_one_run():
    lens = al.load("sentiment")
    plain = lens.trace("a gripping , funny film")
    gated = lens.trace("a gripping , funny film", gates={5: torch.zeros(12)})
    assert not torch.allclose(plain.logits, gated.logits, atol=1e-2)
    assert torch.equal(plain[5][:], gated[5][:])
    assert torch.equal(plain.logits, lens.trace("a gripping , funny film").logits)


def test_gates_and_ablations_name_heads_alike():
    lens = al.load("sentiment")
    texts = ["a gripping , funny film", "flat"]
    removed = [(5, 9), (-1, 4), (0, 3)]
    by_layer = {0: torch.ones(12), 5: torch.ones(12)}
    by_layer[0][3] = by_layer[5][9] = by_layer[5][4] = 0
    expected = lens.trace(texts, gates=by_layer)
    for gates in (removed, tuple(removed), np.array(removed), dict.fromkeys(removed, 0)):
        for one, other in zip(lens.trace(texts, gates=gates, batch_size=1), expected):
            torch.testing.assert_close(one.logits, other.logits)
    assert torch.equal(
        al.ablate(lens, "flat", removed).after.logits, lens.trace("flat", gates=by_layer).logits
    )
    one = lens.trace("flat", gates=(5, 9)).logits
    assert torch.equal(one, al.ablate(lens, "flat", (5, 9)).after.logits)
    half = lens.trace("flat", gates={(5, 9): 0.5}).logits
    assert torch.equal(half, lens.trace("flat", gates={5: [1.0] * 9 + [0.5, 1.0, 1.0]}).logits)


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ([(6, 0)], "there is no layer 6: sentiment has 6"),
        ([(0, 12)], "there is no head 12 in layer 0: it has 12"),
        ([0, 1, 1], "gates must be pairs"),
        ({(0, 1): "off"}, "gates must be pairs"),
        ({(0, 1): 0, 2: [1]}, "gates must be pairs"),
        ({5: [9]}, "12 heads"),
    ],
)
def test_gates_that_are_none(gates, message):
    with pytest.raises(AttnlensError, match=message):
        al.load("sentiment").trace("flat", gates=gates)


def test_an_ablation_by_factors_is_refused():
    with pytest.raises(InputError, match=r"names a head twice: .* is a form of gates="):
        al.ablate(al.load("sentiment"), "flat", {5: [1, 0, 1, 1]})


@pytest.mark.parametrize("tokenizer", [tiny.wordpiece, tiny.byte_level, tiny.roberta, tiny.metaspace])
def test_texts_tokenized_together_are_those_tokenized_alone(tokenizer):
    texts = ["a gripping , funny film", "see it", "  flat 🙂 zzz", ("a film", "see it"), ("flat", "a film .")]
    for inputs in (texts[:3], texts[3:], texts, []):
        together = _text_inputs.encode_all(tokenizer(), inputs)
        assert together == [_text_inputs.encode(tokenizer(), one) for one in inputs]


def test_texts_that_cannot_be_prepared_together():
    text_lens = al.Lens(tiny.bert(), tiny.wordpiece())
    with pytest.raises(InputError, match="the text is empty"):
        text_lens.prepare_all(["see it", " "])
    with pytest.raises(InputError, match="the model takes"):
        text_lens.prepare_all(["see it", "film " * 1000])
