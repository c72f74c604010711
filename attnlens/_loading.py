"""Loading a lens by name: an embedded model, a local folder, or a hub id."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from reprlib import repr as short
from typing import TYPE_CHECKING, Any

import torch

from . import _checks, models
from .data._attention import floating
from .errors import AttnlensError, InputError
from .lens import Lens
from .models import _tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_NAME = 200
"""Maximum number of characters of a hub id."""

MOST_OF_A_REASON = 500
"""Maximum number of characters of another library's message that an error quotes."""


def load(
    name_or_path: str | Path,
    *,
    revision: str | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    trust_remote_code: bool = False,
    **options: Any,
) -> Lens:
    """Loads a model by name and returns its lens.

    name_or_path: an embedded model ("sentiment", "cifar", "resnet", "minivit": offline, trained), a local folder
        written by `save_pretrained`, or a hub id such as "bert-base-uncased".
    revision, dtype, options: passed to `from_pretrained` of transformers; the task head is that of the model's
        configuration.
    device: the device of the model, e.g. "cuda"; the CPU by default.
    trust_remote_code: whether to run code from the hub repository; False by default.

    Raises InputError, which states what was tried, where there is no such model.

    >>> lens = load("sentiment")
    """
    if not isinstance(name_or_path, (str, Path)):
        raise InputError(
            f"load() takes a name or a folder, not {type(name_or_path).__name__}; for a model in memory: "
            "Lens(model, tokenizer)"
        )
    name = str(name_or_path)
    place = None if device is None else _checks.device(device, _no_device(name, device))
    if name in models.EMBEDDED and revision is not None:
        raise InputError(f"{name!r} is embedded and has one revision; omit revision={revision!r}")
    path = str(models.folder(name)) if name in models.EMBEDDED else _place(name)
    if name in models.EMBEDDED and dtype is None:
        dtype = torch.float32  # they are stored in half precision
    if _model_type(path) == "minivit":
        ignored = sorted(options if revision is None else {*options, "revision"})
        if ignored:
            raise InputError(f"{name!r} is a MiniViT, which takes no {ignored[0]}=; omit it")
        with _explained(f"cannot load the model {name!r}", "Save it again with MiniViT.save(folder)."):
            model, processor = models.MiniViT.load(path).to(dtype=floating(dtype or torch.float32)), None
    else:
        chosen = {"revision": revision, "trust_remote_code": trust_remote_code}
        with _without_progress() if name in models.EMBEDDED else nullcontext():
            model, processor = _from_transformers(path, name, dtype, chosen, options)
    if place is not None:
        with _explained(_no_device(name, device), "Omit device= for the CPU."):
            model = model.to(place)
    lens = Lens(model, processor)
    lens.name = Path(path).resolve().name if name not in models.EMBEDDED and Path(path).is_dir() else name
    return lens


def _from_transformers(path: str, name: str, dtype: Any, chosen: dict, options: dict) -> tuple[Any, Any]:
    import transformers

    close = get_close_matches(name, models.EMBEDDED, n=1)
    meant = f"; did you mean {close[0]!r}? As a hub id" if close else ""
    with _explained(
        f"cannot load {name!r}{meant}",
        f"It is not an embedded model ({', '.join(models.EMBEDDED)}); otherwise give a folder with a config.json "
        f"written by save_pretrained or, when online, a hub id.",
    ):
        config = transformers.AutoConfig.from_pretrained(path, **chosen)
    _refuse_other_senses(transformers, config, name)
    extra = options if dtype is None else {"dtype": dtype, **options}
    with _explained(
        f"cannot load the weights of {name!r}", "Check the options, or download or save the model again."
    ):
        kind = getattr(transformers, _tasks.auto_class(config))
        model = kind.from_pretrained(path, config=config, **chosen, **extra).eval()
    return model, _processor(transformers, model, path, name, chosen)


def _processor(transformers: Any, model: Any, path: str, name: str, chosen: dict) -> Any:
    if model.main_input_name == "pixel_values":
        with _explained(
            f"{name!r} has no image processor",
            "Save it beside the model with processor.save_pretrained(folder), or pass it: Lens(model, processor).",
        ):
            return transformers.AutoImageProcessor.from_pretrained(path, **chosen)
    with _explained(
        f"{name!r} has no tokenizer",
        "Save it beside the model with tokenizer.save_pretrained(folder), or pass it: Lens(model, tokenizer).",
    ):
        tokenizer = transformers.AutoTokenizer.from_pretrained(path, **chosen)
        special = set(tokenizer.all_special_tokens)
        if not any(piece.strip("▁Ġ") for piece in tokenizer.get_vocab() if piece not in special):
            # transformers creates an empty one where it finds no file.
            raise ValueError("its vocabulary would be empty")
        return tokenizer


def _refuse_other_senses(transformers: Any, config: Any, name: str) -> None:
    """Raises InputError for models of other inputs than text and pictures, before the weights are downloaded."""
    named = (getattr(config, "architectures", None) or [""])[0] or ""
    wanted = getattr(getattr(transformers, named, None), "main_input_name", "input_ids")
    if wanted not in ("input_ids", "pixel_values"):
        raise InputError(
            f"{name!r} takes {wanted} ({named}); al.load reads text and image models. To record the attention of "
            "any other, run it inside: with attnlens.capture(model) as recording"
        )


def _no_device(name: str, device: object) -> str:
    return f"cannot move the model {name!r} to device {device!r}"


def _place(name: str) -> str:
    """The folder or hub id of a name; a path that does not exist is not searched for on a hub."""
    path = Path(os.path.expanduser(name))
    looks_local = name.startswith((".", "/", "~")) or name.count("/") > 1 or os.path.isfile(path)
    if name and os.path.isdir(path):
        if not (path / "config.json").is_file():
            raise InputError(
                f"the folder {name} has no config.json; save a model there with model.save_pretrained"
            )
        return str(path)
    if not name or (looks_local and len(name) <= LONGEST_NAME):
        address = "; a hub id is given without its address" if "://" in name else ""
        raise InputError(f"there is no model folder {name or repr(name)}{address}")
    if len(name) > LONGEST_NAME or "\n" in name:
        raise InputError(
            f"there is no model named {short(name)}: the name of a model is one line of at most {LONGEST_NAME} "
            "characters; a text is an input of its lens: al.load(name).trace(text)"
        )
    return name


def _model_type(path: str) -> str | None:
    config = Path(path) / "config.json"
    if not config.is_file():
        return None
    try:
        return json.loads(config.read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{config} is not a model configuration ({error}); save the model again with save_pretrained"
        ) from error


@contextmanager
def _without_progress() -> Iterator[None]:
    """Disables the progress bar of transformers, for loading that takes a tenth of a second."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@contextmanager
def _explained(failed: str, remedy: str) -> Iterator[None]:
    """Turns any exception of a library into an InputError with what failed, its reason and the remedy."""
    try:
        yield
    except AttnlensError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        reason = f"{reason[:MOST_OF_A_REASON]}…" if len(reason) > MOST_OF_A_REASON else reason.rstrip(".")
        raise InputError(f"{failed}: {reason}. {remedy}") from error
