"""Reports: what is refused, what stands in the file, and that the bytes come back."""

from __future__ import annotations

import base64
import gc
import hashlib
import html.parser
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ipywidgets import Widget

import attnlens as al
from attnlens.data._attention import Factors, Weights
from attnlens.data._trace import Layer, Token, Trace
from attnlens.errors import FileError, InputError
from attnlens.reporting import _page as pages
from attnlens.reporting._long_traces import LongTrace, coarse, top_level
from attnlens.reporting._packing import LIFTED, Packed, pack, unpack
from attnlens.widgets import HeadsView, _payload
from attnlens.widgets._tiles import HeadSelection, Tiles
from attnlens.widgets._view import STATIC

from .. import tiny

SENTENCE = "a gripping , funny film with one dull stretch ."


@pytest.fixture(scope="module")
def lens():
    return al.load("sentiment")


@pytest.fixture(scope="module")
def trace(lens):
    return lens.trace(SENTENCE, store="factors")


def made(length: int = 8, heads: int = 2, layers: int = 2, weights: bool = False) -> Trace:
    generator = torch.Generator().manual_seed(0)
    found = []
    for number in range(layers):
        query, key = torch.randn(2, heads, length, 16, generator=generator)
        factors = Factors(query, key, 0.25)
        attention = Weights(factors[:]) if weights else factors
        found.append(Layer(f"layer.{number}", "self", attention))
    return Trace(tuple(found), model="made", tokens=tuple(Token(f"t{i}") for i in range(length)))


class Scripts(html.parser.HTMLParser):
    """Every script of a page with its attributes and its text, as a parser that is not a browser's reads them."""

    def __init__(self, path: Path):
        super().__init__()
        self.found: list[tuple[dict, str]] = []
        self.policy, self._given = "", None
        self.feed(path.read_bytes().decode())

    def handle_starttag(self, tag, given):
        self._given = dict(given) if tag == "script" else None
        if dict(given).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(given)["content"]
        if tag == "script":
            self.found.append((dict(given), ""))

    def handle_data(self, data):
        if self._given is not None:
            self.found[-1] = (self.found[-1][0], self.found[-1][1] + data)

    def handle_endtag(self, tag):
        self._given = None

    @property
    def contents(self) -> dict:
        return json.loads(next(text for given, text in self.found if given.get("id") == "contents"))

    def bytes(self, number: int) -> bytes:
        given, text = next(one for one in self.found if one[0].get("id") == f"bytes-{number}")
        deflated = given.get("data-deflated")
        return unpack(Packed(text, int(given["data-bytes"]), None if deflated is None else int(deflated)))


# -- packing ------------------------------------------------------------------------------------------------


@given(st.binary(max_size=300), st.booleans())
def test_bytes_come_back(data, compress):
    packed = pack(data, compress)
    assert unpack(packed) == data
    assert packed.size == len(data)
    assert len(packed.text) % 8 == 0


def test_packed_text_holds_nothing_that_html_would_change_or_read():
    text = pack(bytes(range(256)) * 50, compress=False).text
    assert not set(text) & set(LIFTED.decode())
    assert {"\0", "\n", "\r", "<"} == set(LIFTED.decode())
    assert len(text.encode()) / (256 * 50) < 1.2


def test_halves_of_random_weights_shrink_by_their_planes():
    weights = torch.softmax(2 * torch.randn(4, 128, 128, generator=torch.Generator().manual_seed(0)), -1)
    data = _payload.halves(weights)
    packed = pack(data)
    assert packed.deflated < 0.86 * len(data)
    assert len(packed.text.encode()) < 1.19 * packed.deflated


# -- what stands in the file --------------------------------------------------------------------------------


def test_a_report_holds_every_layer_as_the_widget_would_send_it(trace, tmp_path):
    scripts = Scripts(al.report(trace, path=tmp_path / "report.html", views="attention"))
    (placed,) = scripts.contents["views"]
    assert placed["state"]["trace"]["model"] == "sentiment"
    assert placed["state"]["mode"] == "lines"
    for number, layer in enumerate(trace.layers):
        header = placed["state"]["trace"]["layers"][number]
        held = scripts.bytes(placed["bytes"][f"layer_{number}"])
        assert header["parts"][0][0] == "query"
        assert len(held) == header["bytes"]
        assert held == _payload.layer_bytes(layer.attention, detail=True)


def test_of_many_bytes_whichever_is_smaller_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr("attnlens.reporting._sections.DETAIL", 0)
    trace = made(8)
    scripts = Scripts(al.report(trace, path=tmp_path / "report.html", views="attention"))
    placed = scripts.contents["views"][0]
    assert placed["state"]["trace"]["layers"][0]["parts"][0][0] == "weights"
    assert scripts.bytes(placed["bytes"]["layer_0"]) == _payload.layer_bytes(trace[0])


def test_statistics_are_there_before_they_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("attnlens.widgets._heads.STATS_AT_ONCE", 0)
    scripts = Scripts(al.report(made(), path=tmp_path / "report.html", views="heads"))
    stats = scripts.contents["views"][0]["state"]["stats"]
    assert len(stats["entropy"]) == len(stats["entropy"][0]) == 2


def test_of_too_many_weights_no_statistic_is_offered(tmp_path, monkeypatch):
    monkeypatch.setattr("attnlens.reporting._sections.MOST_STATS", 255)
    assert 255 < sum(layer.attention.heads * 8 * 8 for layer in made(8).layers)
    monkeypatch.setattr("attnlens.widgets._heads.STATS_AT_ONCE", 0)
    scripts = Scripts(al.report(made(8), path=tmp_path / "report.html", views="heads"))
    assert scripts.contents["views"][0]["state"]["columns"] == []


def test_bundles_are_those_of_the_notebook_and_the_policy_names_them(lens, tmp_path):
    scripts = Scripts(al.report(lens, SENTENCE, tmp_path / "report.html"))
    code = [text for given, text in scripts.found if given.get("type") == "module"]
    names = ("report", "heads", "attention", "tokens")
    assert code == [(STATIC / f"{name}.js").read_text(encoding="utf-8") for name in names]
    style = re.search(
        "<style>(.*?)</style>", (tmp_path / "report.html").read_text(encoding="utf-8"), re.DOTALL
    )[1]
    directives = [one.split() for one in scripts.policy.split(";")]
    assert {name: " ".join(allowed) for name, *allowed in directives} == {
        "default-src": "'none'",
        "script-src": " ".join(map(fingerprint, code)),
        "style-src": fingerprint(style),
        "img-src": "data: blob:",
        "worker-src": "blob:",
        "connect-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert len(directives) == 8  # the first of two of one name would hold


def fingerprint(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


HOSTILE = ("</script><script>alert(1)</script>", "<!--<script>", "]]>", "&lt;", "\u2028")


def test_a_text_ends_no_script_of_the_page(tmp_path):
    trace = replace(
        made(len(HOSTILE)), tokens=tuple(map(Token, HOSTILE)), model=HOSTILE[0], text=(HOSTILE[1],)
    )
    scripts = Scripts(al.report(trace, path=tmp_path / "report.html", title=HOSTILE[0]))
    (contents,) = (text for given, text in scripts.found if given.get("id") == "contents")
    assert "<" not in contents
    states = [view["state"] for view in json.loads(contents)["views"]]
    assert all(text in json.dumps(states, ensure_ascii=False) for text in (HOSTILE[0], HOSTILE[1]))
    assert [given.get("type") for given, _ in scripts.found].count(None) == 0
    assert "alert" not in "".join(text for given, text in scripts.found if given.get("type") == "module")


def test_no_bundle_holds_what_ends_or_hides_a_script():
    bundles = list(STATIC.glob("*.js"))
    assert len(bundles) >= 3
    for bundle in bundles:
        assert not re.search(r"</script|<!--|\r", bundle.read_bytes().decode(), re.I), bundle


def test_the_file_names_no_address_to_fetch_from(trace, tmp_path):
    text = al.report(trace, path=tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)


def test_what_is_selected_is_shared_by_the_views(lens, tmp_path):
    contents = Scripts(al.report(lens, SENTENCE, tmp_path / "report.html")).contents
    assert [0, "layer", 1, "layer"] in contents["links"]
    assert [0, "heads", 1, "heads"] in contents["links"]
    assert [1, "query", 2, "token"] in contents["links"]
    states = [placed["state"] for placed in contents["views"]]
    assert (states[0]["layer"], states[0]["heads"]) == (states[1]["layer"], states[1]["heads"])


def test_a_long_text_is_reported_window_by_window_and_explained_as_a_whole(lens, tmp_path):
    text = f"{SENTENCE} " * 3 + "a fine and moving story , well told " * 4
    scripts = Scripts(al.report(lens, [text, "dull"], tmp_path / "r.html", window=32))
    windows = lens.trace(text, window=32)
    assert len(windows) > 1
    states = [view["state"] for view in scripts.contents["views"]]
    shown = [state["shown"]["texts"] for state in states if "shown" in state]
    assert [len(texts[0][0]["text"]) for texts in shown] == [len(lens.encode(text)), 3]
    assert len(states) == 2 * (len(windows) + 1) + 2
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    places = re.findall(r'<section class="part" id="(\w+)-', page)
    assert places == ["whole"] * 2 + ["part"] * (len(windows) + 1)
    share = torch.stack([window.logits for window in windows]).mean(0).softmax(0).max()
    assert re.search(
        rf'href="#whole-0">The whole text: {text[:60]}[^<]*</a> <[^>]*>→ \w+ \({share:.2f}\)', page
    )
    assert f"<td>{share:.1%}</td>" in page[: page.index('id="part-0"')]
    assert all(f"{share:.3f}" != f"{window.logits.softmax(0).max():.3f}" for window in windows)
    assert f"read in {len(windows)} overlapping windows" in page
    assert "read in 1 window<" in page
    for number, window in enumerate(windows):
        start, end = window.tokens[1].start, window.tokens[-2].end
        assert f'href="#part-{number}">{text[start:end][:60]}' in page


def test_links_stay_within_a_section(tmp_path):
    contents = Scripts(al.report([made(), made()], path=tmp_path / "report.html")).contents
    assert {(first // 2, second // 2) for first, _, second, _ in contents["links"]} == {(0, 0), (1, 1)}


def test_a_long_trace_is_held_as_coarse_maps():
    trace = made(600)
    found = coarse(trace)
    assert list(found) == ["tiles_0", "tiles_1"]
    side = 600 // 4
    assert len(found["tiles_1"]) == 3 * side * side * 2
    one = _payload.halves(Tiles(trace).tile(HeadSelection(1, (1,)), 2, 0, 0))
    assert found["tiles_1"][-len(one) :] == one


def test_of_too_many_heads_only_the_mean_is_held(monkeypatch):
    monkeypatch.setattr("attnlens.reporting._long_traces.MOST_TILES", 0)
    trace = made(600)
    assert coarse(trace)["tiles_0"] == _payload.halves(Tiles(trace).tile(HeadSelection(0, (0, 1)), 2, 0, 0))


def held(trace: Trace, order: list, chosen: bool = False) -> dict[tuple[int, int], dict]:
    """The headers of the heads that a page holds."""
    layers = LongTrace(trace, order, chosen).header(_payload.header(trace))["layers"]
    return {(layer, head): one for layer, known in enumerate(layers) for head, one in known["held"].items()}


def test_heads_are_held_as_far_as_the_budget_goes_and_those_that_are_chosen_always(monkeypatch):
    trace, order = made(600), [(1, 0), (0, 1), (0, 0), (1, 1)]
    each = held(trace, order)[1, 0]["bytes"]
    assert each == 2 * 2 * 600 * 16
    for budget, count in ((0, 1), (2 * each, 2), (3 * each - 1, 2), (9 * each, 4)):
        monkeypatch.setattr("attnlens.reporting._long_traces.MOST_HELD", budget)
        assert set(held(trace, order)) == set(order[:count])
        assert set(held(trace, order, chosen=True)) == set(order)


def test_a_held_head_is_what_float16_leaves_of_it_and_its_maps_are_those_tiles(monkeypatch):
    monkeypatch.setattr("attnlens.reporting._long_traces.COMPUTED", 0)
    trace = made(600)
    tokens = tuple(replace(token, special=i in (0, 599)) for i, token in enumerate(trace.tokens))
    trace = replace(trace, tokens=tokens)
    long = LongTrace(trace, [(1, 1)], True)
    (one,), traits = held(trace, [(1, 1)], True).values(), long.traits()
    assert list(traits) == ["tiles_0", "tiles_1", "factors_1_1", "overview_1_1", "lse_1_1"]
    query, key = np.frombuffer(traits["factors_1_1"], "<f2").reshape(2, 600, 16).astype(np.float32)
    sent = Factors(torch.tensor(query[None]), torch.tensor(key[None]), one["scale"])
    lse = np.frombuffer(traits["lse_1_1"], "<f4").reshape(2, 600)
    torch.testing.assert_close(torch.tensor(lse[0]), sent.lse[0])
    torch.testing.assert_close(torch.tensor(lse[1]), sent.without(torch.tensor([0, 599])).lse[0])
    tiles = Tiles(replace(trace, layers=(Layer("sent", "self", sent),)))
    assert len(one["overviews"]) == 8
    for place in one["overviews"]:
        selection = HeadSelection(0, (0,), hide_special=place["hide_special"], pool=place["pool"])
        expected = tiles.whole(selection, place["level"])
        data = np.frombuffer(traits["overview_1_1"], "<f2", place["rows"] * place["cols"], place["start"])
        cells = torch.tensor(data.astype(np.float32)).reshape(expected.shape) * place["scale"]
        torch.testing.assert_close(cells, expected, rtol=1e-3, atol=1e-9)


def test_a_report_opens_at_the_first_of_the_chosen_heads(tmp_path):
    for length in (8, 1500):
        path = al.report(
            made(length), path=tmp_path / "report.html", views="attention", heads=[(-1, 0), (0, 1)]
        )
        state = Scripts(path).contents["views"][0]["state"]
        assert (state["layer"], state["heads"]) == (1, [0])
    known = state["trace"]["layers"]
    assert [list(layer["held"]) for layer in known] == [["1"], ["0"]]
    assert "Heads 0.1, 1.0 (layer.head) are here in every detail" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("heads", "reason"),
    [
        ([], "name at least one"),
        (3, r"pairs of a layer and a head, such as heads=\[\(5, 3\)\], not 3"),
        ([1, 2], "pairs of a layer and a head"),
        ([(0, 2)], "head 2"),
        ([(2, 0)], "layer 2"),
    ],
)
def test_heads_that_are_not_there_are_refused(tmp_path, heads, reason):
    with pytest.raises(InputError, match=reason):
        al.report(made(), path=tmp_path / "report.html", heads=heads)


def test_a_head_of_weights_alone_is_a_map_and_cannot_be_chosen(tmp_path):
    trace = made(1500, weights=True, heads=1, layers=1)
    path = al.report(trace, path=tmp_path / "report.html", views="attention")
    assert "Rows, single weights and other choices need the trace" in path.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="head 0 of layer 0 has no queries and keys"):
        al.report(trace, path=tmp_path / "report.html", views="attention", heads=[(0, 0)])


@pytest.mark.parametrize(
    ("size", "level"), [(1, 0), (256, 0), (257, 1), (512, 1), (513, 2), (32768, 7), (32769, 8)]
)
def test_the_top_level_is_the_first_that_fits_a_tile(size, level):
    assert top_level(size, 3) == top_level(2, size) == level


def test_classes_and_input_can_be_read_without_a_script(trace, tmp_path):
    text = al.report(trace, path=tmp_path / "report.html").read_text(encoding="utf-8")
    body = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", text, flags=re.S)
    assert SENTENCE in body
    assert "positive" in body
    assert f"{trace.prediction.probability:.1%}" in body


def test_a_trace_of_factors_without_text_or_answer(tmp_path):
    assert al.report(made(), path=tmp_path / "report.html").stat().st_size > 100_000


def test_a_trace_without_attention_is_told_of(trace, tmp_path):
    path = al.report(replace(trace, layers=()), path=tmp_path / "report.html")
    assert "no attention weights" in path.read_text(encoding="utf-8")


def test_signs_that_are_not_seen_are_made_seen():
    assert pages.shown("a\0b\u202ec\n<d>&\ud800") == "a␀b‹202e›c\n&lt;d&gt;&amp;?"
    assert pages.shown("x" * 50, 10) == "xxxxxxxxxx …"


def test_the_views_that_are_wished_for(trace, tmp_path):
    scripts = Scripts(al.report(trace, path=tmp_path / "report.html", views=["attention", "heads"]))
    assert len(scripts.contents["views"]) == 2
    assert len(Scripts(al.report(trace, path=tmp_path / "r.html", views="heads")).contents["views"]) == 1


def test_images_come_with_their_patches(tmp_path):
    image = al.models.sample_images()["chelsea"]
    views = Scripts(al.report(al.load("cifar"), image, tmp_path / "report.html")).contents["views"]
    state = views[2]["state"]
    assert "relevance" in state["maps"]
    assert set(state["offered"]) == {"image", "attention", *state["maps"]}
    assert state["labels"] == [state["target"]]


# -- calls and refusals -------------------------------------------------------------------------------------


def test_a_report_replaces_another_and_leaves_nothing_beside_it(trace, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    assert al.report(trace, path=str(path)) == path
    assert path.read_bytes().startswith(b"<!DOCTYPE html>")
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("given", "more", "message"),
    [
        ("lens", {}, "a lens needs an input"),
        ("lens", {"input": []}, "the list is empty"),
        ("lens", {"input": ""}, "empty"),
        ("trace", {"input": "out.html"}, "report(trace, path='out.html')"),
        ("trace", {"input": ["a"]}, "input= is for a lens"),
        ("trace", {"views": "tokens"}, "an attribution needs the model"),
        ("trace", {"views": ["head"]}, "Did you mean 'heads'?"),
        ("trace", {"views": []}, "views is empty"),
        ("trace", {"window": 32}, "a trace has been read already"),
        ("trace", {"path": "picture.png"}, "ends in .html, not 'picture.png'"),
        ("trace", {"path": 3}, "must be a str or a Path, not int"),
        ("a text", {}, "not a str"),
        (3, {}, "not a int"),
        ([], {}, "the list is empty"),
        ([3], {}, "among them is a int"),
    ],
)
def test_what_cannot_be_reported_on_is_refused(given, more, message, lens, trace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = {"lens": lens, "trace": trace}.get(given, given) if isinstance(given, str) else given
    with pytest.raises(InputError, match=re.escape(message)):
        al.report(source, **more)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_is_told_before_the_work(lens, tmp_path, monkeypatch):
    monkeypatch.setattr(type(lens), "trace", lambda *_, **__: pytest.fail("the model ran first"))
    for path in (tmp_path / "missing" / "x.html", "/proc/x.html", tmp_path):
        with pytest.raises(FileError, match="cannot write"):
            al.report(lens, "see it", path)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written(trace, tmp_path):
    with pytest.raises(FileError, match=r"there is no folder .*missing; create it first"):
        al.report(trace, path=tmp_path / "missing" / "report.html")
    with pytest.raises(FileError, match=r"give the name of a file, such as report\.html"):
        al.report(trace, path=tmp_path)


def test_a_trace_without_tokens_has_positions(tmp_path):
    encoder = torch.nn.TransformerEncoderLayer(8, 2, batch_first=True).eval()
    with al.capture(encoder) as recording:
        encoder(torch.randn(2, 3, 8))
    page = al.report(recording, path=tmp_path / "own.html").read_text(encoding="utf-8")
    assert "3 positions" in page
    assert "0 tokens" not in page
    assert "recording.traces(tokens=...)" in page


@pytest.mark.parametrize("source", ["sentiment", torch.nn.Linear(2, 2)])
def test_a_name_or_a_model_is_told_to_become_a_lens(source):
    with pytest.raises(InputError, match=r"al\.Lens\(model, tokenizer\)"):
        al.report(source, "a fine film")


def test_with_a_long_input_nothing_is_compared_and_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("attnlens.widgets._compare.compare", failing)
    page = al.report([made(1500), made(20)], path=tmp_path / "two.html", views=["compare"])
    assert "Too much for a page to compare weight by weight" in page.read_text(encoding="utf-8")


def living() -> tuple[list[str], int]:
    """The widgets that somebody still holds, and the classes that they had made for their layers."""
    gc.collect()
    kinds = Counter(map(type, gc.get_objects()))
    held = [kind.__name__ for kind, count in kinds.items() if issubclass(kind, Widget) for _ in range(count)]
    return sorted(held), len(descendants(Widget))


def descendants(kind: type) -> set[type]:
    below = set(type.__subclasses__(kind))
    return below.union(*map(descendants, below))


def test_reports_hold_no_widget_alive(lens, trace, tmp_path, monkeypatch):
    """Of views that go into the page, and of a report that fails."""
    path, kept = tmp_path / "report.html", HeadsView(trace)
    al.report(lens, "a dull film", path)
    before = living()
    assert "HeadsView" in before[0]
    al.report(lens, "a dull film", path)
    al.report([made(), made()], path=path, views=["attention", "compare"])
    monkeypatch.setattr("attnlens.reporting._sections.with_stats", failing)
    with pytest.raises(MemoryError):
        al.report(trace, path=path)
    assert living() == before
    assert kept.comm is not None


def failing(*_):
    raise MemoryError


def test_the_signature_is_that_of_the_call():
    import inspect

    assert list(inspect.signature(al.report).parameters)[:3] == ["source", "input", "path"]
    assert next(iter(inspect.signature(al.capture).parameters)) == "model"


@pytest.mark.parametrize(
    ("model", "tokenizer", "start"), [(tiny.t5, tiny.metaspace, "<pad>"), (tiny.bart, tiny.roberta, "</s>")]
)
def test_the_head_shows_what_the_decoder_read(tmp_path, model, tokenizer, start):
    trace = al.Lens(model(), tokenizer()).trace("the film was dull", output="a funny film")
    page = al.report(trace, path=tmp_path / "report.html").read_text(encoding="utf-8")
    given = page[page.index('<div class="given">') : page.index("<table", page.index('<div class="given">'))]
    words = " ".join(re.sub("<[^>]*>", " ", given).split())
    assert "the film was dull decoder:" in words
    assert html.unescape(words.split("decoder: ")[1]).split(" ", 1) == [start, "a funny film"]
    count = len(trace.output_tokens)
    assert f"{len(trace.tokens)} tokens, {count} of the decoder" in page
