"""A model that belongs to somebody else: used by several threads and tasks, interrupted, and left as it was."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch.overrides import _get_current_function_mode_stack
from transformers.modeling_utils import AttentionInterface

import attnlens as al
from attnlens.errors import InputError
from attnlens.models import _forward
from attnlens.recorder import _attention_interface

from .. import tiny

TEXTS = ["a great movie", "the bad plot was dull", "great acting , bad movie", "the movie was great"]


def bert_lens():
    return al.Lens(tiny.bert(), tiny.wordpiece())


def state(model):
    """What a run of ours changes for a while."""
    return (
        [module.training for module in model.modules()],
        [parameter.requires_grad for parameter in model.parameters()],
        sum(len(table) for m in model.modules() for n, table in vars(m).items() if n.startswith("_forward_")),
        AttentionInterface.get_interface,
        sum(not getattr(mode, "closed", False) for mode in _get_current_function_mode_stack()),
        torch.is_grad_enabled(),
    )


def gradients(lens, text):
    trace = lens.trace(text, target="predicted")
    return torch.cat([layer.values.gradient.flatten() for layer in trace.layers])


def in_threads(function, work, threads=8):
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, work))


def test_one_lens_in_many_threads():
    lens = bert_lens()
    lens.model.train()
    before, work = state(lens.model), TEXTS * 12
    expected = {text: gradients(lens, text) for text in TEXTS}
    for text, found in zip(work, in_threads(lambda text: gradients(lens, text), work)):
        assert torch.equal(found, expected[text])
    assert state(lens.model) == before


def test_different_questions_at_once():
    lens = bert_lens()
    questions = [
        lambda text: lens.trace(text).logits,
        lambda text: lens.attribute(text, method="gradient_x_input").scores,
        lambda text: lens.attribute(text, method="leave_one_out").scores,
        lambda text: gradients(lens, text),
    ]
    work = [(ask, text) for ask in questions for text in TEXTS] * 4
    expected = [ask(text) for ask, text in work[: len(questions) * len(TEXTS)]] * 4
    assert all(map(torch.equal, in_threads(lambda pair: pair[0](pair[1]), work), expected))


def test_a_plain_run_beside_one_of_ours_sees_no_hook_of_it():
    lens, found = bert_lens(), []
    ids = torch.randint(1, 5, (1, 4))
    with torch.no_grad():
        expected = lens.model(ids).logits
    with _forward.differentiable(lens.model) as leaves:
        thread = threading.Thread(target=lambda: found.append(lens.model(ids).logits))
        thread.start()
        thread.join()
        assert leaves == []
    assert torch.equal(found[0].detach(), expected)
    assert found[0].grad_fn is None or not leaves


def test_a_model_and_a_part_of_it_take_turns():
    lens, entered = bert_lens(), []
    with _forward.exclusive(lens.model), _forward.exclusive(lens.model.base_model):
        thread = threading.Thread(
            target=lambda: [entered.append(1) for _ in [_forward.evaluating(lens.model)]]
        )
        thread.start()
        thread.join()
        blocked = threading.Thread(target=lambda: _enter(lens.model.base_model, entered))
        blocked.start()
        blocked.join(0.2)
        assert entered == [1]
    blocked.join()
    assert entered == [1, 2]


def _enter(model, entered):
    with _forward.evaluating(model):
        entered.append(2)


# -- tasks that take turns in one thread ------------------------------------------------------------------------


@pytest.mark.parametrize("same", [True, False])
def test_captures_of_two_tasks_are_kept_apart(same):
    one = bert_lens().model
    models = [one, one if same else bert_lens().model]
    ids = [torch.randint(1, 5, (1, 4)), torch.randint(1, 5, (2, 6))]

    async def record(number, rounds):
        with al.capture(models[number]) as recording:
            for _ in range(rounds):
                await asyncio.sleep(0)
                models[number](ids[number])
                await asyncio.sleep(0)
        return recording

    async def both():
        return await asyncio.gather(record(0, 2), record(1, 5))

    before = len(_get_current_function_mode_stack())
    (recordings,) = in_threads(
        asyncio.run, [both()], threads=1
    )  # other tests may have left a loop in this one
    assert [len(recording.forwards) for recording in recordings] == [2, 5]
    assert [{trace[0].shape[1] for trace in recording} for recording in recordings] == [{4}, {6}]
    assert len(_get_current_function_mode_stack()) == before


def test_tasks_that_a_capture_starts_are_recorded():
    model, ids = bert_lens().model, torch.randint(1, 5, (1, 4))

    async def step():
        await asyncio.sleep(0)
        model(ids)

    async def both():
        with al.capture(model) as recording:
            await asyncio.gather(step(), step())
        return recording

    (recording,) = in_threads(asyncio.run, [both()], threads=1)
    assert len(recording.forwards) == 2


def test_captures_that_end_in_the_order_in_which_they_began():
    model, ids = bert_lens().model, torch.randint(1, 5, (1, 4))
    first, second = al.capture(model), al.capture(model)
    before = state(model)
    with torch.no_grad():
        one = first.__enter__()
        other = second.__enter__()
        model(ids)
        first.__exit__(None, None, None)
        model(ids)
        second.__exit__(None, None, None)
    assert (len(one.forwards), len(other.forwards)) == (1, 2)
    assert state(model) == before


# -- interrupts -------------------------------------------------------------------------------------------------

PACKAGE = str(Path(al.__file__).parent)


class Interrupt:
    """Raises KeyboardInterrupt at the n-th line of the package's own code (and of contextlib) that runs."""

    def __init__(self, at):
        self.at, self.lines = at, 0

    def __call__(self, frame, event, arg):
        name = frame.f_code.co_filename
        if event == "call":
            return self if name.startswith(PACKAGE) or name.endswith("contextlib.py") else None
        if event == "line":
            self.lines += 1
            if self.lines == self.at:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self


def interrupted(function, at):
    """How many lines ran; with KeyboardInterrupt raised at one of them."""
    tracer = Interrupt(at)
    sys.settrace(tracer)
    try:
        function()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(None)
    return tracer.lines


def test_an_interrupt_at_any_moment_leaves_the_model_as_it_was():
    lens = bert_lens()
    lens.model.train()
    before = state(lens.model)
    runs = {
        "gradient": lambda: lens.trace(TEXTS[0], target="predicted"),
        "attribute": lambda: lens.attribute(TEXTS[0], method="gradient_x_input"),
    }
    for name, run in runs.items():
        total = interrupted(run, at=0)
        for at in range(1, total, total // 60):
            interrupted(run, at)
            assert state(lens.model) == before, (name, at)


def test_an_interrupt_in_the_middle_of_opening_and_closing():
    """Every line of opening and closing a capture, one after the other."""
    model, ids = bert_lens().model.train(), torch.randint(1, 5, (1, 4))
    before = state(model)

    def run():
        with _forward.evaluating(model), _forward.frozen(model), al.capture(model):
            sys.settrace(None)
            with torch.no_grad():
                model(ids)
            sys.settrace(tracer)
            sys._getframe().f_trace = tracer

    total = None
    at = 0
    while total is None or at <= min(total, 2500):
        tracer = Interrupt(at)
        sys.settrace(tracer)
        try:
            run()
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        total = tracer.lines if total is None else total
        assert state(model) == before, at
        assert in_another_thread(_lock_is_free), at
        at += max(1, total // 200)


def _lock_is_free():
    """Whether this thread gets the lock of the attention interface; it gives it back."""
    free = _attention_interface._lock.acquire(timeout=5)
    if free:
        _attention_interface._lock.release()
    return free


def in_another_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


# -- models made under inference mode ---------------------------------------------------------------------------


def test_a_model_made_under_inference_mode():
    with torch.inference_mode():
        lens = bert_lens()
    assert lens.trace(TEXTS[0]).logits is not None
    with pytest.raises(InputError, match=r"made under torch.inference_mode.*outside of it"):
        lens.trace(TEXTS[0], target="predicted")
    with pytest.raises(InputError, match=r"made under torch.inference_mode"):
        lens.attribute(TEXTS[0])
    assert lens.attribute(TEXTS[0], method="leave_one_out").scores.isfinite().all()
