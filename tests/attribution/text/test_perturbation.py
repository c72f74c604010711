"""The answer without some tokens, against texts that are built without them by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attnlens as al
from attnlens.attribution.text._perturbation import TextPerturbation, blank
from attnlens.attribution.text._variants import VariantForward
from attnlens.errors import InputError
from attnlens.models._forward import BatchBudget

from ... import tiny
from .test_forward import LENSES, by_hand

TEXT = "a gripping , funny film"


@pytest.fixture(scope="module")
def lenses():
    built = {}

    def lens(name):
        if name not in built:
            built[name] = {**LENSES, **MORE}[name]()
            built[name].model.double()
        return built[name]

    return lens


MORE = {
    "gpt2 alone": lambda: al.Lens(tiny.gpt2("ForSequenceClassification"), tiny.byte_level()),
    "causal": lambda: al.Lens(tiny.gpt2(), tiny.byte_level()),
    "masked": lambda: al.Lens(tiny.bert("ForMaskedLM"), tiny.wordpiece()),
    "question": lambda: al.Lens(tiny.bert("ForQuestionAnswering"), tiny.wordpiece()),
}


@pytest.fixture(scope="module")
def lens(lenses):
    return lenses("bert")


def rows(removal, *gone):
    """kept `[row, part]` without the parts that each row names."""
    return torch.tensor([[part not in row for part in range(len(removal.parts))] for row in gone])


@pytest.mark.parametrize("name", LENSES)
@pytest.mark.parametrize("by", ["pad", "mask"])
def test_a_removed_token_is_another_at_its_position(lenses, name, by):
    lens = lenses(name)
    if by == "mask" and lens.tokenizer.mask_token_id is None:
        with pytest.raises(InputError, match="has no mask token; use 'pad' or 'delete'"):
            TextPerturbation(lens, TEXT, by)
        return
    removal, embed = TextPerturbation(lens, TEXT, by), lens.model.get_input_embeddings()
    kept = rows(removal, [], [1], [0, 3], range(len(removal.parts)))
    inputs = lens.inputs([lens.encode(TEXT)])
    with torch.no_grad():
        for row, found in zip(kept, removal.logits(kept)):
            vectors = embed(inputs["input_ids"]).clone()
            for part, stays in enumerate(row.tolist()):
                if not stays:
                    vectors[0, removal.groups[part]] = embed(torch.tensor([removal.blank]))
            torch.testing.assert_close(found, by_hand(name, lens.model, vectors, inputs)[0])


@pytest.mark.parametrize(
    ("text", "gone", "expected"),
    [
        ("a gripping , funny film", [1, 2], "a funny film"),
        ("see it", [0, 1], None),
        (("a film", "see it"), [0, 3], ("film", "see")),
    ],
)
def test_deleted_tokens_are_cut_out(lens, text, gone, expected):
    removal = TextPerturbation(lens, text, "delete")
    found = removal.logits(rows(removal, gone))[0]
    if expected is None:
        ids = torch.tensor([[2, 3]])
        rest = lens.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
    else:
        rest = lens.trace(expected).logits
    torch.testing.assert_close(found, rest.double(), atol=1e-6, rtol=1e-6)


def test_the_place_that_answers_moves_with_the_text(lenses):
    lens = lenses("causal")
    removal = TextPerturbation(lens, "see it", "delete")
    size = len(removal.parts)
    found = removal.logits(rows(removal, [], [0], [size - 1], range(size)))
    ids = lens.encode("see it").inputs["input_ids"]
    for row, left in zip(found, (ids, ids[1:], ids[:-1], ids[-1:])):
        torch.testing.assert_close(row, lens.model(input_ids=torch.tensor([left])).logits[0, -1])


def test_the_mask_that_is_asked_at_stays(lenses):
    lens = lenses("masked")
    removal = TextPerturbation(lens, "a [MASK] film", "delete")
    assert [part.text for part in removal.parts] == ["a", "film"]
    found = removal.logits(rows(removal, [0]))[0]
    torch.testing.assert_close(found, lens.model(**lens.batch([lens.encode("[MASK] film")])).logits[0, 1])


@pytest.mark.parametrize("side", ["start", "end"])
def test_an_answer_of_question_answering_is_a_place(lenses, side):
    lens, text = lenses("question"), ("who", "a film see it")
    removal = TextPerturbation(lens, text, "mask", side=side)
    found = removal.logits(rows(removal, [], [1]))
    inputs = lens.inputs([lens.encode(text)])
    torch.testing.assert_close(found[0], getattr(lens.model(**inputs), f"{side}_logits")[0])
    assert (found[0] - found[1]).abs().max() > 1e-4
    with pytest.raises(
        InputError, match="the classes of question answering are positions in the text; remove by"
    ):
        TextPerturbation(lens, text, "delete", side=side)


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "gpt2 alone", "t5"])
@settings(deadline=None, max_examples=8)
@given(data=st.data())
def test_batched_equals_one_by_one(lenses, name, data):
    lens = lenses(name)
    removal = TextPerturbation(lens, "see it", data.draw(st.sampled_from(["pad", "delete"])))
    row = st.lists(st.booleans(), min_size=len(removal.parts), max_size=len(removal.parts))
    kept = torch.tensor(data.draw(st.lists(row, min_size=1, max_size=6)))
    alone = torch.cat([removal.logits(one[None]) for one in kept])
    found = removal.logits(kept, BatchBudget(data.draw(st.integers(1, 60))))
    torch.testing.assert_close(found, alone)


def test_equal_rows_run_once_and_memory_may_run_out(lens, monkeypatch):
    sizes, run = [], VariantForward._logits

    def small(self, batch, **options):
        sizes.append(len(batch.points))
        if len(batch.points) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(self, batch)

    removal = TextPerturbation(lens, TEXT)
    kept = rows(removal, *([i] for i in range(5)), [0], [1])
    expected = removal.logits(kept)
    monkeypatch.setattr(VariantForward, "_logits", small)
    torch.testing.assert_close(removal.logits(kept, BatchBudget(5 * 7)), expected)
    assert sizes == [5, 2, 2, 1]


def test_parts_are_groups_of_tokens(lens):
    removal = TextPerturbation(lens, "isn't it", groups=[[1, 2, 3, 4], [5]])
    assert [(part.text, part.start, part.end) for part in removal.parts] == [("isn't", 0, 5), ("it", 6, 8)]
    single = TextPerturbation(lens, "isn't it")
    torch.testing.assert_close(removal.logits(rows(removal, [0])), single.logits(rows(single, [0, 1, 2, 3])))


def test_the_model_is_left_as_it_was(lens):
    lens.model.train()
    removal = TextPerturbation(lens, TEXT)
    one, other = (removal.logits(rows(removal, [0])) for _ in range(2))
    torch.testing.assert_close(one, other)  # no dropout
    assert lens.model.training
    assert not any(module._forward_hooks for module in lens.model.modules())
    assert not one.requires_grad
    lens.model.eval()


def test_what_is_no_removal(lens):
    message = "unknown way of removing 'drop'; expected one of: pad, mask, delete"
    with pytest.raises(InputError, match=message):
        TextPerturbation(lens, TEXT, "drop")
    removal = TextPerturbation(lens, TEXT)
    for kept in (torch.ones(5), torch.ones(1, 4), torch.ones(0, 5)):
        with pytest.raises(InputError, match=r"kept must be \[row, part\] of 5 parts, not"):
            removal.logits(kept)


def test_blanks():
    assert blank(tiny.wordpiece()) == tiny.wordpiece().pad_token_id
    assert blank(tiny.wordpiece(), "mask") == tiny.wordpiece().mask_token_id
    assert blank(tiny.byte_level()) == tiny.byte_level().unk_token_id
