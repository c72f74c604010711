"""From a name to a lens: what is found, with which head, and what is said where nothing is."""

from __future__ import annotations

import json
import re

import pytest
import torch
import transformers as hf

import attnlens as al
from attnlens.errors import InputError

from . import tiny

AUTO = {
    "sequence": ("AutoModelForSequenceClassification", lambda: tiny.bert(num_labels=3), tiny.wordpiece),
    "token": ("AutoModelForTokenClassification", lambda: tiny.bert("ForTokenClassification"), tiny.wordpiece),
    "question": ("AutoModelForQuestionAnswering", lambda: tiny.bert("ForQuestionAnswering"), tiny.wordpiece),
    "masked": ("AutoModelForMaskedLM", lambda: tiny.bert("ForMaskedLM"), tiny.wordpiece),
    "gpt2": ("AutoModelForCausalLM", tiny.gpt2, tiny.byte_level),
    "llama": ("AutoModelForCausalLM", tiny.llama, tiny.byte_level),
    "t5": ("AutoModelForSeq2SeqLM", tiny.t5, tiny.metaspace),
    "bart": ("AutoModelForSeq2SeqLM", tiny.bart, tiny.roberta),
    "image": ("AutoModelForImageClassification", tiny.vit, tiny.processor),
    "base": ("AutoModel", lambda: tiny.bert("Model"), tiny.wordpiece),
    "image base": ("AutoModel", lambda: tiny.vit("Model"), tiny.processor),
}


def saved(folder, model, processor=None):
    model.save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(tmp_path):
    return saved(tmp_path / "tiny-bert", tiny.bert(), tiny.wordpiece())


@pytest.fixture
def asked(monkeypatch):
    """What `from_pretrained` was called with: {class name: [(args, options), ...]}"""
    calls = {}

    def listen(name):
        original = getattr(hf, name).from_pretrained

        def from_pretrained(*args, **options):
            calls.setdefault(name, []).append((args, options))
            return original(*args, **options)

        monkeypatch.setattr(getattr(hf, name), "from_pretrained", from_pretrained)

    for name in {
        "AutoConfig",
        "AutoTokenizer",
        "AutoImageProcessor",
        *(auto for auto, _, _ in AUTO.values()),
    }:
        listen(name)
    return calls


@pytest.mark.parametrize("case", AUTO)
def test_the_head_comes_from_the_configuration(case, tmp_path, asked):
    auto, model, processor = AUTO[case]
    expected = model()
    lens = al.load(saved(tmp_path / "it", expected, processor()))
    assert type(lens.model) is type(expected)
    assert [name for name in asked if name.startswith("AutoModel")] == [auto]
    assert isinstance(lens, al.lens.ImageLens if "image" in case else al.lens.TextLens)
    assert lens.name == "it"
    assert not lens.model.training
    for name, weight in expected.state_dict().items():
        assert torch.equal(lens.model.state_dict()[name], weight), name


def test_old_configurations_of_encoder_decoders_name_an_lm_head(tmp_path):
    folder = saved(tmp_path / "t5", tiny.t5(), tiny.metaspace())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["T5WithLMHeadModel"]}))
    assert type(al.load(folder).model).__name__ == "T5ForConditionalGeneration"


def test_revision_dtype_and_options_are_passed_on(folder, asked):
    lens = al.load(str(folder), revision="v2", dtype=torch.bfloat16, attn_implementation="eager")
    for name in ("AutoConfig", "AutoModelForSequenceClassification", "AutoTokenizer"):
        (path, *_), options = asked[name][0]
        assert path == str(folder)
        assert options["revision"] == "v2"
        assert options["trust_remote_code"] is False
    [(_, options)] = asked["AutoModelForSequenceClassification"]
    assert options["dtype"] is torch.bfloat16
    assert lens.dtype is torch.bfloat16
    assert lens.model.config._attn_implementation == "eager"


def test_remote_code_runs_only_when_asked_for(folder, asked):
    for trusting in (False, True):
        asked.clear()
        al.load(folder, trust_remote_code=trusting)
        assert len(asked) == 3
        for calls in asked.values():
            assert calls[0][1]["trust_remote_code"] is trusting
            assert all(options.get("trust_remote_code", trusting) is trusting for _, options in calls)


def test_a_hub_id_goes_to_the_hub_as_it_is(monkeypatch, folder):
    tried = []

    def from_pretrained(path, **options):
        tried.append((path, options["revision"]))
        raise OSError("offline")

    monkeypatch.setattr(hf.AutoConfig, "from_pretrained", from_pretrained)
    with pytest.raises(InputError, match="offline"):
        al.load("someone/their-model", revision="main")
    assert tried == [("someone/their-model", "main")]


def test_the_model_is_put_on_the_device(folder):
    assert al.load(folder, device="meta").device == torch.device("meta")
    assert al.load(folder, device=torch.device("cpu")).device == torch.device("cpu")


def test_a_home_folder_is_found(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert al.load("~/tiny-bert").name == "tiny-bert"


# -- what cannot be loaded ------------------------------------------------------------------------------------


def test_an_unknown_name_lists_the_embedded_models():
    with pytest.raises(InputError) as caught:
        al.load("sentimant")
    message = str(caught.value)
    assert "'sentimant'" in message
    assert "sentiment, cifar, resnet, minivit" in message
    assert message.startswith("cannot load 'sentimant'; did you mean 'sentiment'?")
    assert "hub id" in message


@pytest.mark.parametrize("name", ["no-such/model-anywhere", "a b?", "x" * 120])
def test_an_unknown_hub_id_says_what_was_tried(name):
    with pytest.raises(InputError, match=r"cannot load .* It is not an embedded model .* hub id"):
        al.load(name)


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c", "~/nowhere", ""])
def test_a_missing_folder_is_not_looked_for_on_the_hub(name, asked):
    with pytest.raises(InputError, match="there is no model folder"):
        al.load(name)
    assert not asked


@pytest.mark.parametrize("name", ["sentiment", "cifar", "minivit"])
def test_an_embedded_model_has_one_revision(name):
    with pytest.raises(InputError, match=f"'{name}' is embedded .*omit revision='main'"):
        al.load(name, revision="main")


def test_an_option_that_nobody_reads_is_refused(mini):
    with pytest.raises(InputError, match="'minivit' is a MiniViT, which takes no foo=; omit it"):
        al.load("minivit", foo=3)
    with pytest.raises(InputError, match="takes no revision="):
        al.load(mini, revision="main")


@pytest.mark.parametrize("given", [3, None, ["sentiment"], b"sentiment"])
def test_only_names_and_paths_are_loaded(given):
    with pytest.raises(InputError, match=f"a name or a folder, not {type(given).__name__}.*Lens"):
        al.load(given)


@pytest.mark.parametrize("name", ["a gripping film " * 400, "x" * 5000, "../x" * 400, "a\nb"])
def test_a_text_is_no_name_of_a_model(name, asked):
    with pytest.raises(
        InputError, match=r"there is no model named .*al\.load\(name\)\.trace\(text\)"
    ) as caught:
        al.load(name)
    assert len(str(caught.value)) < 300


def test_a_model_in_hand_is_no_name():
    with pytest.raises(InputError, match="BertForSequenceClassification; for a model in memory: Lens"):
        al.load(tiny.bert())


def test_a_folder_without_a_configuration(tmp_path):
    with pytest.raises(
        InputError, match=r"has no config\.json; save a model there with model\.save_pretrained"
    ):
        al.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [b"{", b"[]", b"null", b"3", b"", b"\xff\xfe\x00", b"[" * 100_000, b"{}", b'{"model_type": "no-such"}',
     b'{"model_type": 3}', b'{"model_type": "bert", "hidden_size": "wide"}',
     b'{"model_type": "bert", "hidden_size": 7, "num_attention_heads": 3}',
     b'{"model_type": "minivit"}', b'{"model_type": "minivit", "layers": "many"}'],
)  # fmt: skip
def test_a_corrupt_configuration(folder, text):
    (folder / "config.json").write_bytes(text)
    with pytest.raises(InputError) as caught:
        al.load(folder)
    assert "tiny-bert" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "missing", "header"])
def test_damaged_weights(folder, damage):
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    if damage != "missing":
        damaged = {"truncated": content[:1000], "garbage": b"garbage", "empty": b"", "header": content[9:]}
        weights.write_bytes(damaged[damage])
    with pytest.raises(InputError, match=r"cannot load the weights of '.*tiny-bert'.*save the model again"):
        al.load(folder)


def test_weights_of_another_size(folder):
    tiny.seeded(lambda: hf.BertForSequenceClassification(hf.BertConfig(vocab_size=9, **tiny.TEXT)))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 7}))
    with pytest.raises(InputError, match="cannot load the weights"):
        al.load(folder)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("nowhere", "torch knows no such device. Give one of 'cpu'"),
        ("gpu", "torch knows no such device; did you mean 'cuda'\\? Give one of .*'mps'"),
        ("GPU:0", "did you mean 'cuda'"),
        ("cpu:x", "torch knows no such device"),
        ([], "torch knows no such device"),
        ("cuda:99", "Omit it for the CPU"),
    ],
)
def test_a_device_that_is_not_there(folder, device, message):
    (folder / "model.safetensors").unlink()  # raised before the weights are read
    with pytest.raises(InputError, match=f"to device {re.escape(repr(device))}: .*{message}"):
        al.load(folder, device=device)


@pytest.mark.parametrize("kind", ["Model", "ForSequenceClassification", "ForCTC"])
def test_an_audio_model_says_what_it_takes(tmp_path, kind, asked):
    config = hf.Wav2Vec2Config(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=(8,),
        conv_kernel=(4,), conv_stride=(4,), num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    saved(tmp_path / "audio", getattr(hf, f"Wav2Vec2{kind}")(config))
    with pytest.raises(
        InputError, match=r"audio' takes input_values .*text and image models.*attnlens\.capture"
    ):
        al.load(tmp_path / "audio")
    assert list(asked) == ["AutoConfig"]


@pytest.mark.parametrize("model", [tiny.bert, tiny.gpt2, tiny.t5, tiny.roberta_model])
def test_a_model_without_its_tokenizer(tmp_path, model):
    saved(tmp_path / "silent", model())
    with pytest.raises(
        InputError, match=r"silent' has no tokenizer: .*tokenizer\.save_pretrained.*Lens\(model, tok"
    ):
        al.load(tmp_path / "silent")


def test_a_damaged_tokenizer(folder):
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="tiny-bert' has no tokenizer"):
        al.load(folder)


def test_a_vision_model_without_its_processor(tmp_path):
    saved(tmp_path / "blind", tiny.vit())
    with pytest.raises(InputError, match=r"blind' has no image processor: .*processor\.save_pretrained"):
        al.load(tmp_path / "blind")


def test_remote_code_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    theirs = {"auto_map": {"AutoConfig": "theirs.Config"}, "model_type": "theirs"}
    (folder / "config.json").write_text(json.dumps(config | theirs))
    (folder / "theirs.py").write_text("raise SystemExit('ran')")
    with pytest.raises(InputError, match="trust_remote_code"):
        al.load(folder)


# -- MiniViT in a folder --------------------------------------------------------------------------------------


@pytest.fixture
def mini(tmp_path):
    al.models.MiniViT(d_model=16).save(tmp_path / "mini")
    return tmp_path / "mini"


def test_a_minivit_folder(mini):
    lens = al.load(mini)
    assert isinstance(lens, al.lens.ImageLens)
    assert (lens.name, lens.patches) == ("mini", (8, 8))
    assert lens.labels == ("airplane", "cat", "frog", "truck")
    assert al.load(mini, dtype="float64").dtype is torch.float64
    assert al.load(mini, dtype=torch.float16).dtype is torch.float16


@pytest.mark.parametrize("dtype", ["float7", "int64", torch.int32, 3])
def test_a_minivit_in_no_floating_point_type(mini, dtype):
    with pytest.raises(InputError, match="dtype must be a floating-point type"):
        al.load(mini, dtype=dtype)


def test_a_damaged_minivit(mini):
    (mini / "model.safetensors").write_bytes(b"garbage")
    with pytest.raises(InputError, match=r"cannot load the model '.*mini'.*MiniViT\.save"):
        al.load(mini)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"d_model": 20},
            r"config.json asks for .* \(20,\), the weights have \(16,\)",
        ),
        ({"layers": 10**9}, "config.json has 1000000000 layers, the weights 1"),
        ({"layers": "many"}, "layers in config.json must be an integer of at least 1, not 'many'"),
        ({"d_model": 2**40}, "config.json has d_model 1099511627776, wider than all weights"),
        ({"image_size": 2**20}, "image_size 1048576 in config.json is more than 1024 pixels"),
        ({"image_size": "large"}, "image_size in config.json must be an integer of at least 1"),
        ({"colours": 3}, "cannot load the model"),
        ({"labels": ["cat"]}, r"asks for classifier.bias \(1,\), the weights have \(4,\)"),
        ({"patch_size": 2}, "config.json asks for embed.0.weight"),
        ({"heads": 0}, "heads in config.json must be an integer of at least 1, not 0"),
    ],
)
def test_the_sizes_of_a_minivit_are_those_of_its_weights(mini, change, message, monkeypatch):
    config = json.loads((mini / "config.json").read_text())
    (mini / "config.json").write_text(json.dumps(config | change))
    monkeypatch.setattr("attnlens.models._minivit.load_file", None)  # raised before the weights are read
    with pytest.raises(InputError, match=message):
        al.load(mini)


# -- the embedded models --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "labels"),
    [
        ("sentiment", al.lens.TextLens, ("negative", "positive")),
        ("cifar", al.lens.ImageLens, None),
        ("minivit", al.lens.ImageLens, None),
    ],
)
def test_the_embedded_models(name, kind, labels):
    lens = al.load(name)
    assert isinstance(lens, kind)
    assert lens.name == name
    assert lens.dtype is torch.float32
    assert "." not in "".join(lens.labels)
    assert len(lens.labels) == (2 if labels else {"cifar": 10, "minivit": 4}[name])
    if labels:
        assert tuple(label.lower() for label in lens.labels) == labels
    assert al.load(name, dtype=torch.float64).dtype is torch.float64


def test_sentiment_knows_praise_from_blame():
    lens = al.load("sentiment")
    praise, blame = lens.trace(["a wonderful , moving film .", "dull , lifeless and far too long ."])
    assert praise.prediction.label.lower() == "positive"
    assert blame.prediction.label.lower() == "negative"


@pytest.mark.parametrize("name", ["cifar", "minivit"])
def test_the_embedded_vision_models_see_the_samples(name):
    lens = al.load(name)
    for path in list(al.models.sample_images().values())[:3]:
        trace = lens.trace(path)
        assert trace.prediction.label in lens.labels
        assert len(trace.tokens) == len(trace.patches) == trace[0].queries
        assert trace.patches.leading == ("[CLS]",)


def test_an_embedded_model_loads_in_silence_and_leaves_progress_bars_as_they_were(capfd):
    from transformers.utils import logging

    logging.enable_progress_bar()
    al.load("sentiment")
    assert capfd.readouterr().err == ""
    assert logging.is_progress_bar_enabled()
