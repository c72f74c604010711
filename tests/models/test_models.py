"""The embedded models and samples: found by name, listed when the name is wrong."""

from __future__ import annotations

import json

import pytest
from PIL import Image

import attnlens as al
from attnlens import models
from attnlens.errors import InputError


def test_folders_of_the_embedded_models():
    for name in models.EMBEDDED:
        folder = models.folder(name)
        assert (folder / "config.json").is_file()
        assert (folder / "model.safetensors").is_file()
        assert len((folder / "README.md").read_text(encoding="utf-8")) > 300
        assert "_name_or_path" not in json.loads((folder / "config.json").read_text())


def test_an_unknown_embedded_model():
    with pytest.raises(
        InputError, match=r"unknown embedded model 'mini'; expected one of: sentiment, cifar, resnet, minivit"
    ):
        models.folder("mini")


def test_sample_sentences():
    sentences = models.sample_sentences()
    assert len(sentences) >= 8
    assert all(sentence == sentence.strip() and sentence for sentence in sentences)
    labels = {trace.prediction.label for trace in al.load("sentiment").trace(sentences)}
    assert len(labels) == 2


def test_sample_images():
    images = models.sample_images()
    assert "chelsea" in images
    assert len(images) > 4
    for path in images.values():
        with Image.open(path) as image:
            image.load()


def test_minivit_is_a_public_name():
    assert models.MiniViT.__name__ == "MiniViT"
    with pytest.raises(AttributeError, match="has no attribute 'MaxiViT'"):
        models.MaxiViT  # noqa: B018
