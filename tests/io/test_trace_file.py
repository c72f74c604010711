"""What was saved comes back; what was not saved by us is refused with a reason, at a bounded cost."""

import hashlib
import json
import math
import os
import stat
import struct
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attnlens.analysis import fuse, norms
from attnlens.data._attention import Attention, Band, Factors, Weights, Windows
from attnlens.data._trace import Layer, PatchGrid, Token, Trace, Values
from attnlens.errors import FileError, FileWarning, InputError
from attnlens.io import _safetensors as files_
from attnlens.io import _trace_file
from attnlens.recorder._capture import capture

from ..recorder import test_axes as made
from ..recorder.architectures import text_inputs
from ..recorder.test_interface import gpt_oss

relaxed = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


# -- traces -------------------------------------------------------------------------------------------------


def weights(dtype=torch.float32, heads=2, tokens=3):
    return Weights(torch.rand(heads, tokens, tokens).softmax(-1).to(dtype))


def factors(dtype=torch.float32, heads=2, tokens=3, key_heads=2, **more):
    query, key = torch.randn(heads, tokens, 4).to(dtype), torch.randn(key_heads, tokens, 4).to(dtype)
    return Factors(query, key, 0.3, **more)


def of(attention: Attention, **more) -> Trace:
    return Trace((Layer("layer", "self", attention),), **more)


def values(heads=2, tokens=3, **more) -> Values:
    value, output = torch.randn(1, tokens, 4).half(), torch.randn(heads, 4, 6)
    scale, spread = torch.randn(6), torch.rand(tokens)
    gradient = torch.randn(heads, tokens, 4, dtype=torch.float64)
    return Values(value, output, torch.randn(tokens, 6), scale, spread, gradient)


def rich() -> Trace:
    """A trace in which everything that a file can hold occurs."""
    bias, mask = torch.randn(2, 1, 3), torch.rand(1, 3, 3) < 0.5
    windows = Windows((weights(), factors(bias=bias), factors(torch.float16, mask=mask)))
    layers = (
        Layer(
            "encoder.0", "self", factors(heads=4, mask=Band(None, 0, 2), sink=torch.randn(4), softcap=30.0)
        ),
        Layer("encoder.1", "self", weights(torch.bfloat16), values=values()),
        Layer("decoder.0", "cross", factors(torch.float64, mask=mask, bias=bias), "output", "input"),
        Layer("swin", "self", windows, "other", "other"),
        Layer("xcit", "channel", weights(tokens=5), "other", "other"),
        Layer("differential", "self", Weights(torch.randn(2, 3, 3)), normalized=False),
    )
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Trace(
        layers,
        model="tiny",
        tokens=PatchGrid(1, 2, ("[CLS]",)).tokens,
        output_tokens=(Token("ein", 7, 0, False, 0, 3, 1), Token("</s>", special=True), Token("", id=-1)),
        text=("ein", "Bild"),
        patches=PatchGrid(1, 2, ("[CLS]",), image),
        logits=torch.tensor([0.5, -0.0, -math.inf]),
        labels=("cat", "dog", "bird"),
        activation="sigmoid",
        target=2,
    )


def same_bits(a, b) -> bool:
    if not isinstance(a, torch.Tensor):
        return a == b
    return a.dtype == b.dtype and a.shape == b.shape and bits(a) == bits(b)


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()


def assert_same_attention(a: Attention, b: Attention) -> None:
    assert type(a) is type(b)
    if isinstance(a, Windows):
        assert len(a.parts) == len(b.parts)
        for one, other in zip(a.parts, b.parts):
            assert_same_attention(one, other)
    else:
        computed = ("known_lse", "_lse_table")
        mine, theirs = ({k: v for k, v in vars(x).items() if k not in computed} for x in (a, b))
        assert [name for name in mine if not same_bits(mine[name], theirs[name])] == []
        assert torch.equal(a[:], b[:])


def assert_same(a: Trace, b: Trace) -> None:
    for name in ("model", "tokens", "output_tokens", "text", "patches", "labels", "activation", "target"):
        assert getattr(a, name) == getattr(b, name), name
    assert same_bits(a.logits, b.logits)
    assert len(a) == len(b)
    for one, other in zip(a.layers, b.layers):
        bare = [replace(x, attention=None, values=None).__dict__ for x in (one, other)]
        assert bare[0] == bare[1]
        assert (one.values is None) == (other.values is None)
        held = [] if one.values is None else vars(one.values)
        assert all(same_bits(getattr(one.values, name), getattr(other.values, name)) for name in held)
        assert_same_attention(one.attention, other.attention)


def returned(trace: Trace, folder: Path) -> Trace:
    """The trace after a way through a file."""
    loaded = _trace_file.load(_trace_file.save(trace, folder / "trace"))
    assert_same(trace, loaded)
    return loaded


# -- round trips --------------------------------------------------------------------------------------------


def test_everything_comes_back(tmp_path):
    returned(rich(), tmp_path)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("make", [weights, factors])
def test_stores_come_back_bit_for_bit(tmp_path, make, dtype):
    returned(of(make(dtype)), tmp_path)


@pytest.mark.parametrize(
    "more",
    [
        {"mask": Band()},
        {"mask": Band(None, 0)},
        {"mask": Band(2, None, -1)},
        {"mask": Band(1, 1, 7)},
        {"mask": torch.tensor([[[True, False, True]]])},
        {"mask": torch.tensor([[[True], [False], [True]]])},
        {"mask": torch.zeros(2, 3, 3, dtype=torch.bool)},
        {"bias": torch.full((1, 3, 3), -math.inf)},
        {"bias": torch.randn(2, 3, 3, dtype=torch.float64)},
        {"sink": torch.randn(2).half()},
        {"softcap": 1.5},
        {"key_heads": 1},
        {"heads": 6, "key_heads": 3},
    ],
    ids=lambda more: f"{more}".splitlines()[0].partition("tensor")[0],
)
def test_factors_come_back_with_what_they_have(tmp_path, more):
    returned(of(factors(**more)), tmp_path)


@pytest.mark.parametrize(
    "logits",
    [
        torch.randn(1),
        torch.randn(4, 3),
        torch.randn(2, 5).double(),
        torch.randn(3).bfloat16(),
        torch.tensor([-math.inf, 0.0]),
    ],
    ids=lambda t: f"{t.dtype}{list(t.shape)}",
)
def test_logits_come_back_in_any_shape(tmp_path, logits):
    returned(of(weights(), logits=logits), tmp_path)


HOSTILE = (
    "</script>",
    "\0",
    "\ud800",
    "\udc00",
    "😀",
    "\u2028",
    '"',
    "\\",
    "\\ud800",
    "",
    "ÅŸ",
    "\x7f",
    "{}",
    "\n",
)


def test_hostile_texts_come_back(tmp_path):
    tokens = tuple(Token(text) for text in HOSTILE)
    trace = of(weights(tokens=len(HOSTILE)), tokens=tokens, text=HOSTILE, labels=HOSTILE, model="\0\ud800")
    returned(trace, tmp_path)


@relaxed
@given(texts=st.lists(st.text(st.characters(codec=None)), max_size=5))
def test_any_text_comes_back_or_is_refused_at_once(tmp_path, texts):
    trace = Trace((), text=tuple(texts))
    split = any(0xD800 <= ord(a) < 0xDC00 <= ord(b) < 0xE000 for t in texts for a, b in pairwise(t))
    if split:
        with pytest.raises(InputError, match="surrogates"):
            _trace_file.save(trace, tmp_path / "trace")
    else:
        returned(trace, tmp_path)


def test_a_character_in_two_halves_is_refused():
    with pytest.raises(InputError, match="cannot be saved: a text in it has a character as two surrogates"):
        _trace_file.save(Trace((), text=("\ud83d" + "\ude00",)), "never")
    assert not os.path.exists("never.safetensors")


def test_a_trace_of_nothing_comes_back(tmp_path):
    returned(Trace(()), tmp_path)
    returned(rich()[0:0], tmp_path)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("known", [True, False])
def test_a_loaded_trace_need_not_compute_the_log_sum_exp(tmp_path, monkeypatch, dtype, known):
    f = factors(dtype)
    expected = f[:]
    f = replace(f, known_lse=f.lse.clone()) if known else f
    loaded = _trace_file.load(_trace_file.save(of(f), tmp_path / "trace"))[0]
    monkeypatch.setattr(Factors, "_row_lse", None)
    assert loaded.known_lse.dtype == f.dtype
    assert torch.equal(loaded.lse, f.lse)
    torch.testing.assert_close(loaded[:, :, 1:], expected[:, :, 1:])


@pytest.mark.parametrize("value", [0.0, 0.03, 1.0, -99.0, math.inf, -math.inf])
@pytest.mark.parametrize("row", [0, 1, 4])
def test_a_log_sum_exp_that_does_not_fit_is_refused(tmp_path, value, row):
    f = factors(tokens=5)
    lse = f.lse.clone()
    lse[1, row] += value
    wrong = of(replace(f, known_lse=lse))
    if value == 0:
        assert_same(_trace_file.load(_trace_file.save(wrong, tmp_path / "trace")), wrong)
        return
    with pytest.raises(InputError, match=r"layer\.0: its log-sum-exp does not fit its query and key"):
        _trace_file.save(wrong, tmp_path / "trace")


def test_tensors_come_back_from_any_layout(tmp_path):
    shared = torch.randn(2, 3, 4)
    query = torch.randn(3, 2, 4, requires_grad=True).transpose(0, 1)
    mask = torch.tensor([True, False, True]).expand(2, 3, 3)
    both = Factors(shared, shared, 0.1, mask=mask), Factors(query, shared[:1], 0.1, mask=mask)
    image = np.zeros((4, 5, 3), np.uint8)[::-1, ::-1]
    image.flags.writeable = False
    layers = tuple(Layer(str(i), "self", f) for i, f in enumerate(both))
    loaded = _trace_file.load(
        _trace_file.save(Trace(layers, patches=PatchGrid(1, 3, (), image)), tmp_path / "trace")
    )
    assert torch.equal(loaded[0].key, shared)
    assert torch.equal(loaded[1].query, query)
    assert loaded[1].mask.tolist() == mask.tolist()
    assert not loaded[1].query.requires_grad
    assert loaded.patches.image.shape == (4, 5, 3)


def test_numbers_of_numpy_and_torch_are_saved_as_numbers(tmp_path):
    token = Token("a", id=np.int64(3), special=np.bool_(True))
    f = replace(factors(tokens=1), scale=np.float32(0.1), softcap=torch.tensor(2.0))
    loaded = _trace_file.load(_trace_file.save(of(f, tokens=(token,)), tmp_path / "trace"))
    assert loaded.tokens == (Token("a", id=3, special=True),)
    assert (loaded[0].scale, loaded[0].softcap) == (float(np.float32(0.1)), 2.0)


def test_a_loaded_trace_outlives_its_file(tmp_path):
    trace = of(weights(heads=8, tokens=64))
    path = _trace_file.save(trace, tmp_path / "trace")
    loaded = _trace_file.load(path)
    with open(path, "r+b") as file:
        file.write(b"\0" * path.stat().st_size)
    assert_same(loaded, trace)


# -- the file -----------------------------------------------------------------------------------------------


def test_a_suffix_is_added_where_there_is_none(tmp_path):
    trace = of(weights())
    assert _trace_file.save(trace, tmp_path / "a") == tmp_path / "a.safetensors"
    assert _trace_file.save(trace, str(tmp_path / "b.trace")) == tmp_path / "b.trace"
    assert sorted(os.listdir(tmp_path)) == ["a.safetensors", "b.trace"]
    assert_same(_trace_file.load(tmp_path / "a"), trace)
    assert_same(_trace_file.load(str(tmp_path / "a.safetensors")), trace)
    assert_same(Trace.load(trace.save(tmp_path / "c")), trace)


LSE = math.log(1 + math.exp(0.5))


def tiny() -> Trace:
    query = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    f = Factors(query, query, 0.5, mask=Band(None, 0), known_lse=torch.tensor([[0.5, LSE]]))
    layers = (Layer("a", "self", Weights(torch.tensor([[[1.0, 0.0], [0.25, 0.75]]]))), Layer("b", "self", f))
    return Trace(
        layers, "tiny", (Token("x", id=5), Token("é", special=True)), logits=torch.tensor([2.0]).half()
    )


TINY = (
    '{"__metadata__":{"format":"attnlens.trace","version":"1","trace":"'
    '{\\"model\\":\\"tiny\\",\\"text\\":[],\\"labels\\":[],\\"activation\\":\\"softmax\\",'
    '\\"tokens\\":[{\\"text\\":\\"x\\",\\"id\\":5},{\\"text\\":\\"\\\\u00e9\\",\\"special\\":true}],'
    '\\"output_tokens\\":[],\\"patches\\":null,\\"tensors\\":[\\"logits\\"],\\"layers\\":['
    '{\\"name\\":\\"a\\",\\"kind\\":\\"self\\",\\"query_side\\":\\"input\\",\\"key_side\\":\\"input\\",'
    '\\"attention\\":{\\"store\\":\\"weights\\",\\"tensors\\":[\\"weights\\"]}},'
    '{\\"name\\":\\"b\\",\\"kind\\":\\"self\\",\\"query_side\\":\\"input\\",\\"key_side\\":\\"input\\",'
    '\\"attention\\":{\\"store\\":\\"factors\\",\\"scale\\":0.5,\\"softcap\\":null,'
    '\\"band\\":{\\"before\\":null,\\"after\\":0,\\"offset\\":0},\\"tensors\\":[\\"key\\",\\"lse\\",\\"query\\"]}}]}"},'
    '"layer.0.weights":{"dtype":"F32","shape":[1,2,2],"data_offsets":[0,16]},'
    '"layer.1.key":{"dtype":"F32","shape":[1,2,2],"data_offsets":[16,32]},'
    '"layer.1.lse":{"dtype":"F32","shape":[1,2],"data_offsets":[32,40]},'
    '"layer.1.query":{"dtype":"F32","shape":[1,2,2],"data_offsets":[40,56]},'
    '"logits":{"dtype":"F16","shape":[1],"data_offsets":[56,58]}}'
)


TINY_VALUES = struct.pack("<14f", 1, 0, 0.25, 0.75, 1, 0, 0, 1, 0.5, LSE, 1, 0, 0, 1) + struct.pack("<e", 2)
SHA256 = "2456c18c14fab416b68e132e83f6228f212bbf60e3a0328fe04f0b03adada926"


def test_the_format_is_this_to_the_byte(tmp_path):
    """A change here is a new format version: files that people keep must stay readable."""
    header = TINY.replace('"version":"1"', f'"version":"2","sha256":"{SHA256}"')
    header = header.replace(']}}]}"},', "]}}]}" + " " * (-len(header) % 8) + '"},').encode()
    expected = struct.pack("<Q", len(header)) + header + TINY_VALUES
    assert _trace_file.save(tiny(), tmp_path / "tiny").read_bytes() == expected
    assert_same(_trace_file.load(tmp_path / "tiny"), tiny())


def version_1(folder: Path, values: bytes = TINY_VALUES) -> Path:
    """`tiny()` as it was written before files had a checksum."""
    header, path = TINY.encode() + b" " * (-len(TINY) % 8), folder / "old.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + values)
    return path


def test_a_file_without_a_checksum_is_read_and_said_to_be_unchecked(tmp_path):
    with pytest.warns(
        FileWarning, match=r"old.safetensors has format version 1, .*: trace.save\(path\)"
    ) as caught:
        loaded = Trace.load(version_1(tmp_path))
    assert caught[0].filename == __file__
    assert_same(loaded, tiny())
    _trace_file.save(loaded, tmp_path / "old")
    assert_same(_trace_file.load(tmp_path / "old"), tiny())  # of the newest version now: without a warning


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1, 0, 14, 0), "has a row that sums to 14, not 1"),
        ((1, 0, 1.25, -0.25), "holds the negative weight -0.25"),
        ((1, 0, math.nan, 1), "layer.0.weights holds nan"),
    ],
)
def test_damage_that_shows_is_refused_without_a_checksum_too(tmp_path, values, message):
    with pytest.raises(FileError, match=message):
        _trace_file.load(version_1(tmp_path, struct.pack("<4f", *values) + TINY_VALUES[16:]))


@pytest.mark.filterwarnings("ignore::attnlens.errors.FileWarning")
def test_rows_beside_a_sink_are_read_where_layers_could_not_say_so(tmp_path):
    old = version_1(tmp_path, struct.pack("<4f", 0.5, 0, 0.25, 0.5) + TINY_VALUES[16:])
    assert _trace_file.load(old)[0, 0].tolist() == [[0.5, 0.0], [0.25, 0.5]]


def test_a_file_of_one_version_with_the_header_of_another_is_refused(tmp_path):
    file = File(tiny(), tmp_path)
    file.meta["version"] = "1"
    with pytest.raises(FileError, match=r"its header has the entries .*sha256.*, not format, trace, version"):
        _trace_file.load(file.write())


def test_any_safetensors_reader_opens_it(tmp_path):
    tensors = safetensors.torch.load_file(_trace_file.save(rich(), tmp_path / "trace"))
    assert tensors["layer.0.query"].shape == (4, 3, 4)
    assert tensors["layer.2.mask"].dtype == torch.bool
    assert {
        f"layer.3.window.{i}.{n}" for i, n in [(0, "weights"), (1, "bias"), (2, "mask")]
    } <= tensors.keys()
    assert tensors["image"].shape == (4, 6, 3)


def test_the_same_trace_is_the_same_bytes(tmp_path):
    trace = rich()
    first = _trace_file.save(trace, tmp_path / "a").read_bytes()
    assert _trace_file.save(trace, tmp_path / "b").read_bytes() == first
    assert _trace_file.save(_trace_file.load(tmp_path / "a"), tmp_path / "c").read_bytes() == first


def test_the_same_trace_is_the_same_bytes_in_another_process(tmp_path):
    path = _trace_file.save(rich(), tmp_path / "a")
    again = "import sys; from attnlens.io import _trace_file as f; f.save(f.load(sys.argv[1]), sys.argv[2])"
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(
        [sys.executable, "-c", again, path, tmp_path / "b.safetensors"], check=True, env=environment
    )
    assert (tmp_path / "b.safetensors").read_bytes() == path.read_bytes()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = _trace_file.save(tiny(), tmp_path / "trace")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(FileError, match=r"cannot write .*trace.safetensors: .*No space left"):
        _trace_file.save(rich(), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["trace.safetensors"]
    monkeypatch.undo()
    later = rich()
    _trace_file.save(later, path)
    assert_same(_trace_file.load(path), later)
    assert os.listdir(tmp_path) == ["trace.safetensors"]


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_the_file_is_as_readable_as_any_other(tmp_path):
    (tmp_path / "other").touch()
    assert _trace_file.save(tiny(), tmp_path / "trace").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o444])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path, mode):
    path = _trace_file.save(tiny(), tmp_path / "trace")
    path.chmod(mode)
    assert stat.S_IMODE(_trace_file.save(rich(), path).stat().st_mode) == mode


@pytest.mark.skipif(os.name != "posix", reason="links")
@pytest.mark.parametrize("there", [True, False])
def test_of_a_link_the_file_behind_it_is_written(tmp_path, there):
    for name in ("data", "links"):
        (tmp_path / name).mkdir()
    file, middle, link = (
        tmp_path / "data" / "it.safetensors",
        tmp_path / "middle",
        tmp_path / "links" / "trace",
    )
    if there:
        _trace_file.save(rich(), file)
    middle.symlink_to(os.path.join("data", "it.safetensors"))
    link.symlink_to(os.path.join("..", "middle"))
    assert _trace_file.save(tiny(), link.with_suffix("")) == tmp_path / "links" / "trace.safetensors"
    link.with_suffix(".safetensors").unlink()
    link.rename(link.with_suffix(".safetensors"))
    assert _trace_file.save(tiny(), link.with_suffix(".safetensors")).is_symlink()
    assert middle.is_symlink()
    assert not file.is_symlink()
    assert_same(_trace_file.load(file), tiny())
    assert os.listdir(tmp_path / "data") == [file.name]
    assert os.listdir(tmp_path / "links") == ["trace.safetensors"]


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_link_that_leads_nowhere_is_named(tmp_path):
    (tmp_path / "a.trace").symlink_to("b.trace")
    (tmp_path / "b.trace").symlink_to("a.trace")
    with pytest.raises(FileError, match=r"cannot write .*a.trace: it is a link that points to itself"):
        _trace_file.save(tiny(), tmp_path / "a.trace")
    (tmp_path / "c.trace").symlink_to(tmp_path / "missing" / "it.trace")
    with pytest.raises(FileError, match=r"there is no folder .*missing; create it first"):
        _trace_file.save(tiny(), tmp_path / "c.trace")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="names of open files")
def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_is_after(tmp_path, monkeypatch):
    done = []

    def noted(name, real):
        def call(*given):
            what = os.readlink(f"/proc/self/fd/{given[0]}") if name == "fsync" else str(given[1])
            done.append((name, Path(what).name, os.path.getsize(what) if os.path.isfile(what) else None))
            return real(*given)

        return call

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    size = _trace_file.save(tiny(), tmp_path / "trace").stat().st_size
    assert [name for name, _, _ in done] == ["fsync", "replace", "fsync"]
    assert done[0][1].endswith(".part")
    assert done[0][2] == size
    assert done[2][1] == tmp_path.name


KILLED = """
import os, signal, sys
from attnlens.io import _safetensors as files
from pathlib import Path

def parts():
    yield b"a beginning"
    os.kill(os.getpid(), signal.SIGKILL)

files.place(Path(sys.argv[1]), parts(), "trace")
"""


@pytest.mark.skipif(os.name != "posix", reason="locks")
def test_what_a_dead_process_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "killed"], env=environment)
    assert ended.returncode < 0
    (left,) = os.listdir(tmp_path)
    assert left.endswith(".part")
    (tmp_path / ".other.part").touch()  # of somebody else

    def parts():
        yield b"a beginning, "
        assert left not in os.listdir(tmp_path)
        _trace_file.save(tiny(), tmp_path / "meanwhile")
        yield b"an end"

    files_.place(tmp_path / "slow", parts(), "slow")
    assert (tmp_path / "slow").read_bytes() == b"a beginning, an end"
    assert sorted(os.listdir(tmp_path)) == [".other.part", "meanwhile.safetensors", "slow"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("missing/trace", "there is no folder .*missing; create it first"),
        ("file/trace", "there is no folder .*file; create it first"),
        ("folder.d", "folder.d: it is not a file; give the name of a file"),
        ("", "not a file; give the name of a file"),
        ("a\0b", "cannot write"),
        ("x" * 300, "cannot write .*; save to a folder that you may write to"),
    ],
)
def test_a_place_that_cannot_be_written_is_named(tmp_path, place, message):
    (tmp_path / "folder.d").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=message):
        _trace_file.save(tiny(), tmp_path / place if place else tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.d"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(FileError, match="save to a folder that you may write to"):
        _trace_file.save(tiny(), tmp_path / "trace")


class Another(Attention):
    heads, queries, keys = 1, 1, 1


@pytest.mark.parametrize(
    ("trace", "message"),
    [
        (of(Another()), r"Another cannot be stored in a file; use Weights\(attention\[:\]\)"),
        (of(Windows((Windows((weights(),)),))), "layer.0.window.0.store is 'windows'"),
        (of(Weights(torch.ones(1, 2, 2, dtype=torch.int64))), "dtype int64, not F64 or"),
        (of(Weights(torch.ones(1, 2, 0))), r"shape \[1, 2, 0\]"),
        (of(replace(factors(), scale=math.nan)), "scale is nan, not a finite number"),
        (of(replace(factors(), softcap=0.0)), "softcap is 0.0, not a number above 0"),
        (of(factors(mask=Band(10**30), known_lse=torch.zeros(2, 3))), "before is 1000.*within 2\\*\\*53"),
        (
            Trace((Layer("a", "selfish", weights()),)),
            "layer.0.kind is 'selfish', not one of self, cross, channel",
        ),
        (Trace((), activation="relu"), "activation is 'relu'"),
        (Trace((), model=None), "model is None, not a text"),
        (Trace((), model=object()), "object"),
        (Trace((), logits=torch.tensor(1.0)), "'logits' has shape"),
        (Trace((), tokens=(Token("a", id="b"),)), r"tokens\[0\].id is 'b'"),
        (Trace((), patches=PatchGrid(2, 2), tokens=(Token("a"),)), "4 patches are not the 1 listed tokens"),
        (Trace((), patches=PatchGrid(1, 1, (), np.zeros((2, 2, 4), np.uint8))), r"image \[2, 2, 4\]"),
        (Trace((), patches=PatchGrid(1, 1, (), np.zeros((2, 2, 3)))), "'image' has dtype F64, not U8"),
    ],
)
def test_what_load_would_refuse_is_refused_by_save(tmp_path, trace, message):
    with pytest.raises(InputError, match=f"this trace cannot be saved: .*{message}"):
        _trace_file.save(trace, tmp_path / "trace")
    assert os.listdir(tmp_path) == []


def with_row(*row: float, dtype=torch.float32) -> Weights:
    """Weights whose last row is another one."""
    return Weights(torch.tensor([[[1.0, 0, 0], [0.2, 0.3, 0.5], row]], dtype=dtype))


def spoiled(tensor: torch.Tensor, value: float) -> torch.Tensor:
    """With one number in place of its last."""
    out = tensor.clone()
    out.view(-1)[-1] = value
    return out


UNSOUND = {
    "weight not a number": (of(with_row(math.nan, 0.5, 0.5)), "layer.0.weights holds nan"),
    "weight infinite": (of(with_row(math.inf, 0, 0)), "layer.0.weights holds inf"),
    "negative weight": (
        of(with_row(-0.25, 0.25, 1)),
        r"layer.0.weights of 'layer' holds the negative weight -0.25; trace.renormalize",
    ),
    "row of 14": (
        of(with_row(14, 0, 0)),
        r"has a row that sums to 14, not 1; trace.renormalize\(\[\]\) scales the rows",
    ),
    "row of half": (of(with_row(0.25, 0.25, 0)), "has a row that sums to 0.5, not 1"),
    "row of two in float16": (of(with_row(1, 1, 0, dtype=torch.float16)), "has a row that sums to 2"),
    "row of a window": (
        of(Windows((weights(heads=1), with_row(1, 1, 0)))),
        "layer.0.window.1.weights of 'layer' has a row that sums to 2",
    ),
    "norms": (
        of(Weights(torch.ones(1, 3, 3))),
        "a Layer whose rows are not distributions has normalized=False",
    ),
    "not finite and not normalized": (
        Trace((Layer("a", "self", with_row(math.inf, 0, 0), normalized=False),)),
        "layer.0.weights holds inf",
    ),
    "query not a number": (
        of(replace(factors(), query=torch.full((2, 3, 4), math.nan))),
        "layer.0.query holds nan",
    ),
    "key infinite": (of(replace(factors(), key=torch.full((2, 3, 4), -math.inf))), "layer.0.key holds -inf"),
    "bias not a number": (of(factors(bias=torch.full((1, 1, 3), math.nan))), "layer.0.bias holds nan"),
    "bias infinite": (of(factors(bias=spoiled(torch.zeros(1, 1, 3), math.inf))), "layer.0.bias holds inf"),
    "sink not a number": (of(factors(sink=torch.tensor([0, math.nan]))), "layer.0.sink holds nan"),
    "factor of a window": (
        of(Windows((factors(), replace(factors(), key=torch.full((2, 3, 4), math.nan))))),
        "layer.0.window.1.key holds nan",
    ),
    "value not a number": (
        Trace(
            (Layer("a", "self", weights(), values=replace(values(), value=torch.full((1, 3, 4), math.nan))),)
        ),
        "layer.0.value holds nan",
    ),
    "gradient infinite": (
        Trace(
            (
                Layer(
                    "a",
                    "self",
                    weights(),
                    values=Values(torch.ones(1, 3, 4), gradient=torch.full((2, 3, 4), math.inf)),
                ),
            )
        ),
        "layer.0.gradient holds inf",
    ),
    "logit not a number": (of(weights(), logits=torch.tensor([0, math.nan])), "logits holds nan"),
    "logit infinite": (of(weights(), logits=torch.tensor([0, math.inf])), "logits holds inf"),
    "target beyond": (
        of(weights(), logits=torch.zeros(2), target=2),
        "target is 2, but logits has 2 classes",
    ),
    "target beyond, by token": (of(weights(), logits=torch.zeros(3, 2), target=2), "logits has 2 classes"),
    "span reversed": (
        Trace((), tokens=(Token("a", start=3, end=1),), text=("abcd",)),
        r"tokens\[0\] has start 3 and end 1; expected a span within 4 characters, or None for both",
    ),
    "span beyond": (Trace((), tokens=(Token("a", start=3, end=5),), text=("abcd",)), "a span within 4 char"),
    "span before": (
        Trace((), tokens=(Token("a", start=-1, end=1),)),
        r"start -1 and end 1; expected a span, or",
    ),
    "half a span": (Trace((), tokens=(Token("a", start=1),)), "start 1 and end None"),
    "span of an output": (
        Trace((), output_tokens=(Token("a", start=3, end=1),)),
        r"output_tokens\[0\] has start 3",
    ),
    "segment beyond": (
        Trace((), tokens=(Token("a", segment=1),), text=("abcd",)),
        r"tokens\[0\].segment is 1, but text has 1 entries",
    ),
}


@pytest.mark.parametrize(("trace", "message"), UNSOUND.values(), ids=UNSOUND)
def test_what_no_model_computes_is_refused_by_save_and_by_load(tmp_path, monkeypatch, trace, message):
    with pytest.raises(InputError, match=f"this trace cannot be saved: .*{message}"):
        _trace_file.save(trace, tmp_path / "trace")
    assert os.listdir(tmp_path) == []
    with monkeypatch.context() as patched:  # a writer that does not look
        patched.setattr(_trace_file, "check_trace", lambda *_, **__: None)
        _trace_file.save(trace, tmp_path / "trace")
    with pytest.raises(FileError, match=f"cannot be read as a trace: .*{message}"):
        _trace_file.load(tmp_path / "trace")


WITH_SINK = {
    "softmax": lambda s: torch.cat([s, torch.ones(*s.shape[:-1], 1)], -1).softmax(-1),
    "drop": lambda w: w[..., :-1],
}


@pytest.mark.parametrize(
    ("model", "normalized"),
    [
        (made.Attention(), True),
        (made.Gated(made.MIXTURES["difference"]), False),
        (made.Attention(**WITH_SINK), False),
    ],
    ids=["softmax", "difference", "sink"],
)
def test_what_a_model_does_to_its_weights_is_kept(tmp_path, model, normalized):
    with capture(model) as recording, torch.no_grad():
        model(torch.randn(2, made.N, made.DIM))
    assert recording[0].layers[0].normalized is normalized
    returned(recording[0], tmp_path)


def test_weights_beside_a_sink_come_back(tmp_path):
    model = gpt_oss()
    with capture(model, store="weights") as recording, torch.no_grad():
        model(**text_inputs())
    for trace in recording:
        assert not trace.layers[0].normalized
        returned(trace, tmp_path)


@pytest.mark.parametrize(
    ("options", "normalized"), [({}, True), ({"heads": "max"}, False), ({"discard": 0.5}, False)], ids=str
)
def test_fused_heads_come_back(tmp_path, options, normalized):
    assert returned(fuse(of(weights()), **options), tmp_path).layers[0].normalized is normalized


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_rows_may_be_rounded_as_their_dtype_rounds(tmp_path, dtype):
    returned(of(Weights(torch.rand(2, 3, 700).mul(9).softmax(-1).to(dtype))), tmp_path)
    returned(of(Weights(torch.full((1, 2, 300), 1 / 300).to(dtype))), tmp_path)


def test_weights_that_are_no_distribution_come_back_where_the_layer_says_so(tmp_path):
    trace = Trace((Layer("layer", "self", weights(), values=values()),))
    found = norms(trace, "heads")
    assert float(found[0][:].sum(-1).amax()) > 1.1
    assert not returned(found, tmp_path).layers[0].normalized
    assert_same(_trace_file.load(_trace_file.save(trace, tmp_path / "trace")), trace)


def test_a_header_that_no_reader_takes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("attnlens.io._safetensors.LARGEST_HEADER", 1000)
    with pytest.raises(InputError, match=r"names and tokens take .* at most 1000"):
        _trace_file.save(Trace((), text=("x" * 1000,)), tmp_path / "trace")


def test_a_renormalized_trace_comes_back(tmp_path):
    """Dropped keys have a bias of minus infinity."""
    trace = of(factors(), tokens=(Token("[CLS]", special=True), Token("a"), Token("b"))).renormalize()
    assert bool((returned(trace, tmp_path)[0][:, :, 0] == 0).all())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": torch.randn(1, 4, 4)}, r"layer.0.value \[1, 4, 4\] does not fit attention \[2, 3, 3\]"),
        ({"output": torch.randn(2, 5, 6)}, "layer.0.output"),
        ({"residual": torch.randn(3, 7)}, "layer.0.residual"),
        ({"spread": None}, "one of scale and spread"),
        ({"gradient": torch.randn(1, 3, 4)}, "layer.0.gradient"),
    ],
)
def test_values_that_do_not_fit(tmp_path, change, message):
    layer = Layer("layer", "self", weights(), values=replace(values(), **change))
    with pytest.raises(InputError, match=message):
        _trace_file.save(Trace((layer,)), tmp_path / "trace")


# -- files that we did not write ----------------------------------------------------------------------------


def rewrite(path: Path, data: bytes) -> Path:
    """Writes a new file: to cut an old one to nothing first takes milliseconds on some file systems."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


class File:
    """A file to be spoiled: the JSON as Python values, the tensors as header entries, and their bytes."""

    def __init__(self, trace: Trace, folder: Path):
        self.path = _trace_file.save(trace, folder / "trace")
        data = self.path.read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        self.header = json.loads(data[8 : 8 + length])
        self.meta = self.header.pop("__metadata__")
        self.json, self.data = json.loads(self.meta.pop("trace")), data[8 + length :]

    @property
    def layer(self) -> dict:
        return self.json["layers"][0]

    @property
    def attention(self) -> dict:
        return self.layer["attention"]

    def drop(self, name: str) -> None:
        start, end = self.header.pop(name)["data_offsets"]
        self.data = self.data[:start] + self.data[end:]
        for entry in self.header.values():
            if entry["data_offsets"][0] >= end:
                entry["data_offsets"] = [at - (end - start) for at in entry["data_offsets"]]

    def put(self, name: str, dtype: str, shape: list, data: bytes = b"") -> None:
        """Puts a tensor in place of one of that name, or adds it."""
        if name in self.header:
            self.drop(name)
        at = [len(self.data), len(self.data) + len(data)]
        self.header[name] = {"dtype": dtype, "shape": shape, "data_offsets": at}
        self.data += data

    def whole(self, text: str | None = None) -> bytes:
        text = json.dumps(self.json) if text is None else text
        meta = self.meta | {"sha256": sealed(text, self.header, self.data), "trace": text}
        header = json.dumps({"__metadata__": meta} | self.header).encode()
        return struct.pack("<Q", len(header)) + header + self.data

    def write(self, data: bytes | None = None) -> Path:
        return rewrite(self.path, self.whole() if data is None else data)


def sealed(text: str, header: dict, data: bytes) -> str:
    """The checksum of a file, as any program can compute it; of nothing where a header has become nonsense."""
    try:
        described = [[name, header[name]["dtype"], header[name]["shape"]] for name in sorted(header)]
        found = hashlib.sha256(json.dumps([text, described], separators=(",", ":")).encode())
        for name in sorted(header):
            start, end = header[name]["data_offsets"]
            found.update(data[start:end])
    except (LookupError, TypeError, ValueError):
        return "0" * 64
    return found.hexdigest()


def plain() -> Trace:
    """One layer of factors, with all that they may have, over three patches."""
    f = factors(mask=torch.ones(1, 3, 3, dtype=torch.bool), bias=torch.zeros(1, 3, 3), sink=torch.zeros(2))
    image = np.zeros((2, 2, 3), np.uint8)
    return of(f, patches=PatchGrid(1, 2, ("[CLS]",), image), logits=torch.zeros(2), labels=("a", "b"))


def set_(path: str, value):
    """A change of the JSON: `set_("layers.0.name", 5)`."""

    def change(file: File) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        target = file.json
        for part in way:
            target = target[part]
        if value is ...:
            del target[last]
        else:
            target[last] = value

    return change


def put(name: str, dtype: str, shape: list, data: bytes = b""):
    return lambda file: file.put(name, dtype, shape, data)


def metadata(**changes):
    return lambda file: file.meta.update(changes)


def band(file: File) -> None:
    file.attention["band"] = {"before": None, "after": 0, "offset": 0}


def drop_mask(file: File) -> None:
    file.attention["tensors"].remove("mask")


def windows(parts):
    return set_("layers.0.attention", {"store": "windows", "parts": parts})


F32 = struct.pack("<f", 1.0)

ADVERSARIES = {
    "format of another tool": (metadata(format="pt"), "not a trace; perhaps it holds a model's weights"),
    "newer version": (
        metadata(version="3"),
        "format version '3', this attnlens reads 1 and 2: update attnlens",
    ),
    "another entry beside the JSON": (
        metadata(note="x"),
        "its header has the entries .*, not format, sha256, trace",
    ),
    "version that is no number": (metadata(version="x" * 10_000), "format version 'xx.*update attnlens"),
    "JSON is a number": (lambda f: setattr(f, "json", 5), "trace is 5, not an object"),
    "JSON is null": (lambda f: setattr(f, "json", None), "trace is None, not an object"),
    "unknown entry": (set_("extra", 1), "trace has the unknown entry 'extra'"),
    "missing entry": (set_("labels", ...), "trace lacks the entry 'labels'"),
    "model is a list": (set_("model", []), "trace.model is .*, not a text"),
    "text is a text": (set_("text", "a"), "trace.text is 'a', not a list of texts"),
    "labels are numbers": (set_("labels", [1, 2]), "trace.labels is .*, not a list of texts"),
    "unknown activation": (
        set_("activation", "relu"),
        "activation is 'relu', not one of softmax, sigmoid, none",
    ),
    "activation is a list": (set_("activation", ["softmax"]), "activation is"),
    "tokens are texts": (set_("tokens", ["a"] * 3), r"tokens\[0\] is 'a', not an object"),
    "tokens are an object": (set_("tokens", {}), "trace.tokens is {}, not a list"),
    "token without text": (set_("tokens.1.text", ...), r"tokens\[1\] lacks the entry 'text'"),
    "token with a code": (set_("tokens.1.__class__", "x"), r"tokens\[1\] has the unknown entry '__class__'"),
    "token with a huge id": (set_("tokens.1.id", 10**4000), r"tokens\[1\].id is 1000.*, not an integer"),
    "token with a float id": (set_("tokens.1.id", 1.0), r"tokens\[1\].id is 1.0"),
    "token with a true id": (set_("tokens.1.id", True), r"tokens\[1\].id is True"),
    "token special as number": (set_("tokens.1.special", 1), r"tokens\[1\].special is 1, not true or false"),
    "segment null": (set_("tokens.1.segment", None), r"tokens\[1\].segment is None"),
    "one token less": (
        lambda f: f.json["tokens"].pop(),
        "1 leading tokens and 2 patches are not the 2 listed tokens",
    ),
    "no patches but tokens": (
        lambda f: (
            set_("patches", None)(f),
            f.json["tokens"].pop(),
            set_("tensors", ["logits"])(f),
            f.drop("image"),
        ),
        "3 query positions but the trace has 2 input tokens",
    ),
    "endless grid": (set_("patches.rows", 10**9), "leading tokens and 2000000000 patches are not the 3"),
    "endless grid without tokens": (
        lambda f: (set_("patches", {"rows": 10**9, "cols": 10**9, "leading": []})(f), set_("tokens", [])(f)),
        "1000000000000000000 patches are not the 0",
    ),
    "grid of negatives": (set_("patches", {"rows": -1, "cols": -2, "leading": ["a"]}), "patches.rows is -1"),
    "grid of nothing": (set_("patches", {"rows": 0, "cols": 5, "leading": ["a"] * 3}), "patches.rows is 0"),
    "grid in floats": (set_("patches.rows", 1.0), "patches.rows is 1.0, not an integer"),
    "grid as list": (set_("patches", [1, 2]), "patches is .*, not an object or null"),
    "leading as text": (set_("patches.leading", "[CLS]"), "patches.leading is"),
    "image without grid": (set_("patches", None), r"image \[2, 2, 3\] is not .* with a grid of patches"),
    "image of four colours": (put("image", "U8", [1, 1, 4], b"abcd"), r"image \[1, 1, 4\] is not"),
    "image in floats": (put("image", "F32", [1, 1, 3], F32 * 3), "'image' has dtype F32, not U8"),
    "image flat": (put("image", "U8", [3], b"abc"), r"'image' has shape \[3\], not 3 axes"),
    "logits missing": (lambda f: f.drop("logits"), "the tensor 'logits' is missing"),
    "logits under another name": (
        lambda f: f.header.update({"logit": f.header.pop("logits")}),
        "the tensor 'logits' is missing",
    ),
    "logits cut out": (lambda f: f.header.pop("logits"), "damaged or cut off"),
    "logits scalar": (put("logits", "F32", [], F32), r"'logits' has shape \[\], not 1 to 3 axes"),
    "logits of three axes": (put("logits", "F32", [1, 1, 1], F32), "not 1 or 2 axes"),
    "logits of no class": (put("logits", "F32", [0]), "of length 1 or more"),
    "logits whole numbers": (put("logits", "I64", [1], b"12345678"), "'logits' has dtype I64"),
    "logits of four bits": (put("logits", "F4", [2], b"1"), "'logits' has dtype F4"),
    "logits of six bits": (put("logits", "F6_E2M3", [4], b"123"), "'logits' has dtype F6_E2M3"),
    "logits twice": (set_("tensors", ["logits", "logits", "image"]), "tensors is .*, each once"),
    "tensors of a layer in the trace": (
        set_("tensors", ["query"]),
        "logits .optional., image .optional., each once",
    ),
    "tensor names as numbers": (set_("tensors", [0]), "trace.tensors is .0., not a list of texts"),
    "layers are an object": (set_("layers", {}), "trace.layers is {}, not a list"),
    "layer is a list": (set_("layers.0", []), "layer.0 is .*, not an object"),
    "layer of no name": (set_("layers.0.name", None), "layer.0.name is None, not a text"),
    "layer of unknown kind": (
        set_("layers.0.kind", "selfish"),
        "layer.0.kind is 'selfish', not one of self, cross",
    ),
    "layer of unknown side": (
        set_("layers.0.key_side", "inside"),
        "layer.0.key_side is 'inside', not one of",
    ),
    "layer of the other side": (
        lambda f: (set_("layers.0.key_side", "output")(f), set_("output_tokens", [{"text": "a"}])(f)),
        "3 key positions but the trace has 1 output tokens",
    ),
    "one layer more": (lambda f: f.json["layers"].append(f.layer), "tensor 'layer.1.bias' is missing"),
    "one layer less": (set_("layers", []), "a tensor that no layer lists: 'layer.0.bias'"),
    "unknown store": (
        set_("layers.0.attention.store", "pickle"),
        "layer.0.store is 'pickle', not one of weights, factors",
    ),
    "store is a list": (set_("layers.0.attention.store", []), "layer.0.store is"),
    "no store": (set_("layers.0.attention", {}), "layer.0.store is None"),
    "weights for factors": (
        set_("layers.0.attention", {"store": "weights", "tensors": ["weights"]}),
        "tensor 'layer.0.weights' is missing",
    ),
    "scale not a number": (set_("layers.0.attention.scale", math.nan), "scale is nan, not a finite number"),
    "scale infinite": (set_("layers.0.attention.scale", -math.inf), "scale is -inf, not a finite number"),
    "scale huge": (set_("layers.0.attention.scale", 10**400), "scale is 1000.*, not a finite number"),
    "scale a text": (set_("layers.0.attention.scale", "1"), "scale is '1'"),
    "scale true": (set_("layers.0.attention.scale", True), "scale is True"),
    "softcap zero": (set_("layers.0.attention.softcap", 0), "softcap is 0, not a number above 0 or null"),
    "softcap infinite": (set_("layers.0.attention.softcap", math.inf), "softcap is inf"),
    "two masks": (band, "two masks, a band and a tensor"),
    "band of text": (
        lambda f: (drop_mask(f), f.attention.update(band="causal")),
        "band is 'causal', not an object or null",
    ),
    "band of floats": (
        lambda f: (drop_mask(f), f.attention.update(band={"before": 0.5, "after": 0, "offset": 0})),
        "layer.0.band.before is 0.5",
    ),
    "band out of all range": (
        lambda f: (drop_mask(f), f.attention.update(band={"before": 2**63, "after": 0, "offset": 0})),
        "layer.0.band.before is 9223372036854775808, not an integer within",
    ),
    "band of nothing": (
        lambda f: (f.drop("layer.0.mask"), drop_mask(f), f.attention.update(band={})),
        "layer.0.band lacks the entry 'before'",
    ),
    "band lacks offset": (
        lambda f: (drop_mask(f), f.attention.update(band={"before": 1, "after": 0})),
        "layer.0.band lacks the entry 'offset'",
    ),
    "mask not listed": (drop_mask, "a tensor that no layer lists: 'layer.0.mask'"),
    "mask of bytes": (put("layer.0.mask", "U8", [1, 1, 1], b"1"), "'layer.0.mask' has dtype U8, not BOOL"),
    "mask does not fit": (
        put("layer.0.mask", "BOOL", [1, 2, 1], b"\0\0"),
        r"layer.0: mask \[1, 2, 1\] does not fit",
    ),
    "bias does not fit": (
        put("layer.0.bias", "F32", [3, 1, 1], F32 * 3),
        r"layer.0: bias \[3, 1, 1\] does not fit",
    ),
    "sink of another head": (put("layer.0.sink", "F32", [1], F32), "layer.0: sink must be"),
    "lse missing": (
        lambda f: f.attention["tensors"].remove("lse"),
        "layer.0.tensors is .*not made of query, key, lse",
    ),
    "lse of other scores": (
        put("layer.0.lse", "F32", [2, 3], F32 * 6),
        "layer.0: its log-sum-exp does not fit its query and key",
    ),
    "lse of nothing": (
        put("layer.0.lse", "F32", [2, 3], struct.pack("<f", math.nan) * 6),
        "layer.0: its log-sum-exp does not fit",
    ),
    "lse too short": (put("layer.0.lse", "F32", [2, 2], F32 * 4), "layer.0: lse must be"),
    "lse in half": (
        put("layer.0.lse", "F16", [2, 3], b"ab" * 6),
        "'layer.0.lse' has dtype F16, not F64 or F32",
    ),
    "query of two axes": (
        put("layer.0.query", "F32", [2, 2], F32 * 4),
        r"'layer.0.query' has shape \[2, 2\], not 3 axes",
    ),
    "query of endless nothing": (
        put("layer.0.query", "F32", [2**60, 0, 4]),
        "'layer.0.query' has shape .*1 or more",
    ),
    "query beyond 64 bits": (put("layer.0.query", "F32", [2**63, 0, 4]), "'layer.0.query' has shape"),
    "query of 3000 axes": (put("layer.0.query", "F32", [1] * 3000, F32), "'layer.0.query' has shape"),
    "query of another width": (
        put("layer.0.query", "F32", [2, 3, 1], F32 * 6),
        "layer.0: query and key differ in d_head",
    ),
    "heads no multiple": (put("layer.0.key", "F32", [3, 1, 4], F32 * 12), "multiple of key heads"),
    "key of no head": (put("layer.0.key", "F32", [0, 3, 4]), "'layer.0.key' has shape"),
    "key under another name": (
        lambda f: f.header.update({"layer.0.kee": f.header.pop("layer.0.key")}),
        "tensor 'layer.0.key' is missing",
    ),
    "tensor of nobody": (
        put("layer.9.query", "F32", [1], F32),
        "a tensor that no layer lists: 'layer.9.query'",
    ),
    "tensor with a wild name": (put("../../\0", "F32", [1], F32), "a tensor that no layer lists: '../../"),
    "windows of none": (windows([]), "at least one window"),
    "windows of windows": (
        windows([{"store": "windows", "parts": []}]),
        "layer.0.window.0.store is 'windows'",
    ),
    "windows of text": (windows(["a", "b"]), "layer.0.window.0.store is None"),
    "windows without tensors": (
        windows([{"store": "weights", "tensors": ["weights"]}] * 9),
        "tensor 'layer.0.window.0.weights' is missing",
    ),
}


@pytest.mark.parametrize(("change", "message"), ADVERSARIES.values(), ids=ADVERSARIES)
def test_a_changed_file_is_refused_with_the_reason(tmp_path, change, message):
    file = File(plain(), tmp_path)
    _trace_file.load(file.write())  # what is refused below is the change, not how it was written
    change(file)
    with pytest.raises(FileError, match=message) as caught:
        bounded(file.write())
    assert str(file.path) in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_scale_of_many_digits_is_a_number(tmp_path):
    blank = Factors(
        torch.zeros(1, 3, 2), torch.zeros(1, 3, 2), 1.0, softcap=1.0
    )  # its scores are 0 at any scale
    file = File(of(blank), tmp_path)
    file.attention.update(scale=-(2**70), softcap=2**70)
    loaded = _trace_file.load(file.write())[0]
    assert (loaded.scale, loaded.softcap) == (-(2.0**70), 2.0**70)
    torch.testing.assert_close(loaded[:], blank[:])


def test_a_mask_of_odd_bytes_is_a_sound_mask(tmp_path):
    trace = plain()
    masked = replace(trace[0], mask=torch.tensor([[[False, True, True]]]), known_lse=None)
    file = File(trace, tmp_path)
    file.put("layer.0.mask", "BOOL", [1, 1, 3], b"\0\x02\xff")
    file.put("layer.0.lse", "F32", [2, 3], bits(masked.lse))
    mask = _trace_file.load(file.write())[0].mask
    assert mask.view(torch.uint8).tolist() == [[[0, 1, 1]]]
    assert (~mask).tolist() == [[[True, False, False]]]


TEXTS = {
    "no JSON": ("", "JSON in its header is damaged"),
    "half a JSON": ('{"model": ', "JSON in its header is damaged"),
    "deep lists": ("[" * 200_000, "JSON in its header is damaged"),
    "deep lists, closed": ("[" * 100_000 + "]" * 100_000, "JSON in its header is damaged"),
    "deep objects": ('{"a":' * 100_000, "JSON in its header is damaged"),
    "endless number": ("1" * 100_000, "JSON in its header is damaged"),
    "many numbers": ("[" + "0," * 100_000 + "0]", "not an object"),
    "many lists": ("[" + "[]," * 100_000 + "0]", "not an object"),
    "code": ("__import__('os').system('true')", "JSON in its header is damaged"),
}


@pytest.mark.parametrize(("text", "message"), TEXTS.values(), ids=TEXTS)
def test_a_hostile_text_in_place_of_the_json_is_refused(tmp_path, text, message):
    file = File(plain(), tmp_path)
    with pytest.raises(FileError, match=message):
        bounded(file.write(file.whole(text)))


def raw(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    written = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(written) if length is None else length) + written + data


CONTAINERS = {
    "empty": (b"", "is empty"),
    "five bytes": (b"trace", "not a safetensors file, or is damaged or cut off"),
    "a text": (b"layer,head,query,key\n" * 100, "not a safetensors file"),
    "a pickle": (
        b"\x80\x04\x95\x20\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94",
        "not a safetensors file",
    ),
    "a zip": (b"PK\3\4" + b"\0" * 100, "not a safetensors file"),
    "length beyond the file": (raw({}, length=10**6), "not a safetensors file"),
    "length of 2**63": (raw({}, length=2**63), "not a safetensors file"),
    "length of 2**64 - 1": (raw({}, length=2**64 - 1), "not a safetensors file"),
    "length of zero": (raw({}, length=0), "not a safetensors file"),
    "header of deep lists": (raw(b"[" * 100_000), "not a safetensors file"),
    "header of a list": (raw([]), "not a safetensors file"),
    "header not in UTF-8": (raw(b'{"\xff": 1}'), "not a safetensors file"),
    "no metadata": (
        raw({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, F32),
        "model's weights",
    ),
    "nothing at all": (raw({}), "not a trace"),
    "metadata of numbers": (raw({"__metadata__": {"format": 1}}), "not a safetensors file"),
    "no version": (raw({"__metadata__": {"format": "attnlens.trace"}}), "format version None"),
    "no JSON": (
        raw({"__metadata__": {"format": "attnlens.trace", "version": "1"}}),
        "its header has the entries .*, not format, trace, version",
    ),
    "offsets beyond the file": (
        raw({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 2**62]}}),
        "not a safetensors",
    ),
    "shape beyond the file": (
        raw({"a": {"dtype": "F32", "shape": [2**61], "data_offsets": [0, 4]}}, F32),
        "not a safetensors",
    ),
    "shape that overflows": (
        raw({"a": {"dtype": "F32", "shape": [2**62, 16], "data_offsets": [0, 0]}}),
        "not a safetensors file",
    ),
    "overlapping tensors": (
        raw({n: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for n in "ab"}, F32),
        "not a safetensors file",
    ),
    "bytes of nobody": (
        raw({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, F32 * 2),
        "not a safetensors",
    ),
}


@pytest.mark.parametrize(("data", "message"), CONTAINERS.values(), ids=CONTAINERS)
def test_a_file_of_another_kind_is_refused_with_the_reason(tmp_path, data, message):
    path = tmp_path / "trace"
    path.write_bytes(data)
    with pytest.raises(FileError, match=message) as caught:
        bounded(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "folder is not a file"),
        ("missing", "there is no file .*missing.safetensors"),
        ("a\0b", "there is no"),
    ],
)
def test_a_path_without_a_file_is_named(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match=message):
        _trace_file.load(tmp_path / name)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no device files")
def test_a_device_is_not_read():
    with pytest.raises(FileError, match="/dev/zero is not a file"):
        _trace_file.load("/dev/zero")


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    path = _trace_file.save(tiny(), tmp_path / "trace")

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_trace_file, "safe_open", forbidden)
    with pytest.raises(FileError, match=r"trace.safetensors cannot be read as a trace: .*Permission denied"):
        _trace_file.load(path)


def test_the_weights_of_a_model_are_not_loaded_to_be_refused(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file({"encoder.weight": torch.zeros(4, 4)}, path, {"format": "pt"})
    monkeypatch.setattr(torch.Tensor, "clone", None)
    with pytest.raises(FileError, match="not a trace; perhaps it holds a model's weights"):
        _trace_file.load(path)


# -- fuzzing ------------------------------------------------------------------------------------------------

PER_BYTE, CONSTANT = 60, 400_000
"""The most memory that reading may take: Python's objects for a JSON of `[[],[],...` are some 30 bytes per byte."""


def bounded(path: Path) -> Trace:
    """`load`, with its peak of Python memory held against the size of the file."""
    tracemalloc.start()
    try:
        return _trace_file.load(path)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < CONSTANT + PER_BYTE * path.stat().st_size, peak


def survives(path: Path, data: bytes) -> None:
    """The file is a trace that can be used, or refused by a FileError; nothing else, at a bounded cost."""
    rewrite(path, data)
    try:
        trace = bounded(path)
    except FileError:
        return
    assert trace.nbytes <= 2 * len(data)
    for number in range(len(trace)):
        assert trace[number][0, 0].shape == (trace[number].keys,)
        assert len(trace.axis_tokens(number)[0]) == trace[number].queries
    assert repr(trace)
    again = path.with_suffix(".again")
    assert _trace_file.load(_trace_file.save(trace, again)).tokens == trace.tokens


@relaxed
@given(data=st.binary(max_size=300))
def test_random_bytes(tmp_path, data):
    survives(tmp_path / "trace", data)


@relaxed
@given(header=st.binary(max_size=200), tail=st.binary(max_size=20))
def test_random_headers(tmp_path, header, tail):
    survives(tmp_path / "trace", raw(header, tail))


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[bytes]:
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("files")
    return [_trace_file.save(trace, folder / "trace").read_bytes() for trace in (rich(), plain(), tiny())]


MUTATIONS = int(os.environ.get("ATTNLENS_FUZZ", "1000"))
"""How many spoiled files are read; `make fuzz` reads 20,000, other ones each time."""


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """A file after an accident: bits, bytes or a block are others, or bytes are missing, doubled or exchanged."""
    start, end = sorted(int(at) for at in random.integers(0, len(data) + 1, 2))
    kind = random.choice(
        ["bit", "bytes", "block", "cut", "insert", "double", "exchange"], p=[0.4, 0.2, *[0.08] * 5]
    )
    if kind in ("bit", "bytes"):
        out = bytearray(data)
        for at in random.integers(0, len(data), 1 if kind == "bit" else random.integers(1, 5)):
            out[at] = out[at] ^ 1 << random.integers(0, 8) if kind == "bit" else random.integers(0, 256)
        return bytes(out)
    if kind == "block":
        end = min(end, start + 64)
        return data[:start] + random.bytes(1) * (end - start) + data[end:]
    if kind == "exchange":
        middle = (start + end) // 2
        return data[:start] + data[middle:end] + data[start:middle] + data[end:]
    piece = {"cut": b"", "insert": random.bytes(8) + data[start:end], "double": data[start:end] * 2}[
        str(kind)
    ]
    return data[:start] + piece + data[end:]


def refused(path: Path, data: bytes) -> bool:
    rewrite(path, data)
    try:
        _trace_file.load(path)
    except FileError:
        return True
    return False


@pytest.mark.fuzz
def test_of_mutated_files_none_is_accepted(tmp_path, files):
    """Whatever changes in a file that was saved, it is refused; one that is accepted would be another trace."""
    seed = np.random.SeedSequence(None if "ATTNLENS_FUZZ" in os.environ else 0).entropy
    random, path = np.random.default_rng(seed), tmp_path / "trace"
    for number in range(MUTATIONS):
        whole = files[number % len(files)]
        data = mutated(whole, random)
        if data == whole:
            continue
        assert refused(path, data), f"file {number} of seed {seed} was accepted"


def test_every_bit_of_a_file_counts(tmp_path, files):
    whole, path = bytearray(files[2]), tmp_path / "trace"
    for at in range(len(whole)):
        whole[at] ^= 1 << at % 8
        assert refused(path, whole), f"bit {at % 8} of byte {at} may change"
        whole[at] ^= 1 << at % 8


def test_every_truncation_is_refused(tmp_path, files):
    whole, path = files[2], tmp_path / "trace"
    for end in range(len(whole)):
        rewrite(path, whole[:end])
        with pytest.raises(FileError, match="cut off"):
            _trace_file.load(path)


WRONG = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, 2, 3, -1, 2**31, 2**53 + 1, 2**63, 10**30, 10**400])
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(
        ["self", "input", "query", "weights", "factors", "windows", "logits", "layer.0.query", "F32"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "store", "x"]), inner)
    ),
    max_leaves=5,
)


def places(value, way=()):
    """Every place inside a JSON value."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*way, key)
            yield from places(value[key], (*way, key))


def spoil(value, data) -> None:
    """Replaces, removes or doubles something, anywhere in a JSON value."""
    way = data.draw(st.sampled_from(list(places(value))))
    for key in way[:-1]:
        value = value[key]
    what = data.draw(st.sampled_from(["replace", "remove", "double", "swap"]))
    if what == "replace":
        value[way[-1]] = data.draw(WRONG)
    elif what == "remove":
        del value[way[-1]]
    elif what == "double" and isinstance(value, list):
        value.append(value[way[-1]])
    else:
        others = list(value.values() if isinstance(value, dict) else value)
        value[way[-1]] = data.draw(st.sampled_from(others))


@relaxed
@given(st.data())
def test_spoiled_json(tmp_path, data):
    file = File(data.draw(st.sampled_from([rich, plain, tiny]))(), tmp_path)
    for _ in range(data.draw(st.integers(1, 3))):
        spoil(file.json, data)
    survives(file.path, file.whole())


@relaxed
@given(st.data())
def test_spoiled_headers(tmp_path, data):
    file = File(data.draw(st.sampled_from([rich, plain, tiny]))(), tmp_path)
    for _ in range(data.draw(st.integers(1, 3))):
        spoil(file.header, data)
    survives(file.path, file.whole())


@relaxed
@given(st.data())
def test_tensors_of_other_shapes(tmp_path, data):
    """Whole files whose tensors have become others: each sound by itself, together perhaps not."""
    file = File(data.draw(st.sampled_from([plain, tiny]))(), tmp_path)
    name = data.draw(st.sampled_from(sorted(file.header)))
    dtype, size = data.draw(
        st.sampled_from([("F64", 8), ("F32", 4), ("BF16", 2), ("BOOL", 1), ("U8", 1), ("I64", 8)])
    )
    shape = data.draw(st.lists(st.sampled_from([0, 1, 2, 3, 4]), max_size=4))
    count = size * math.prod(shape)
    file.put(name, dtype, shape, data.draw(st.binary(min_size=count, max_size=count)))
    survives(file.path, file.whole())


@relaxed
@given(st.data())
def test_giant_claims(tmp_path, data):
    file = File(plain(), tmp_path)
    giant = data.draw(st.sampled_from([2**31, 2**40, 2**53, 2**53 - 1, 2**62, 2**63 - 1, 2**64]))
    numbers = [
        way for way in places(file.json) if isinstance(way[-1], str) and way[-1] in ("rows", "cols", "id")
    ]
    way = data.draw(st.sampled_from([*numbers, "shape", "offset"]))
    if way == "offset":
        drop_mask(file)
        file.drop("layer.0.mask")
        file.attention["band"] = {"before": giant, "after": -giant, "offset": giant}
    elif way == "shape":
        name, zero = data.draw(st.sampled_from(sorted(file.header))), data.draw(st.booleans())
        file.header[name]["shape"] = [giant, 0, giant] if zero else [giant]
        file.header[name]["data_offsets"] = [0, 0] if zero else [0, min(giant, 2**63)]
    else:
        set_(".".join(map(str, way)), giant)(file)
    survives(file.path, file.whole())
