"""From a name to a lens: an embedded model, a local folder, or a hub id."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from . import models
from .errors import InputError

if TYPE_CHECKING:
    from .lens import Lens

_CLASSES = {
    "ForSequenceClassification": "AutoModelForSequenceClassification",
    "ForImageClassification": "AutoModelForImageClassification",
    "ForTokenClassification": "AutoModelForTokenClassification",
    "ForQuestionAnswering": "AutoModelForQuestionAnswering",
    "ForMaskedLM": "AutoModelForMaskedLM",
    "ForCausalLM": "AutoModelForCausalLM",
    "LMHeadModel": "AutoModelForCausalLM",
    "ForConditionalGeneration": "AutoModelForSeq2SeqLM",
}


def load(
    name_or_path: str | Path,
    *,
    revision: str | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    trust_remote_code: bool = False,
    **options: Any,
) -> Lens:
    """A lens on a model by name.

    name_or_path: an embedded model ("sentiment", "cifar", "minivit": offline, trained), a local folder that
        `save_pretrained` wrote, or a hub id such as "bert-base-uncased".
    revision, dtype, options: passed on to `from_pretrained` of transformers; the task head is the one that the
        model's configuration names.
    device: where to put the model, e.g. "cuda"; the CPU by default.
    trust_remote_code: run code from the hub repository; never unless you ask.

    Raises InputError that says what was tried when there is no such model.

    >>> lens = load("sentiment")
    """
    name = str(name_or_path)
    if name in models.EMBEDDED:
        path = str(models.folder(name))
        dtype = torch.float32 if dtype is None else dtype
    else:
        path = name
        _refuse_missing(name)
    from .lens import Lens

    if _model_type(path) == "minivit":
        model = models.MiniViT.load(path)
        lens = Lens(model.to(device=device, dtype=dtype if isinstance(dtype, torch.dtype) else None))
    else:
        chosen = {"revision": revision, "trust_remote_code": trust_remote_code}
        model, processor = _from_transformers(path, dtype, chosen, options)
        lens = Lens(model.to(device) if device is not None else model, processor)
    lens.name = Path(name).name if Path(name).is_dir() else name
    return lens


def _from_transformers(path: str, dtype: Any, chosen: dict, options: dict) -> tuple[Any, Any]:
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(path, **chosen)
        kind = getattr(transformers, _auto_class(config))
        extra = options if dtype is None else {"dtype": dtype, **options}
        model = kind.from_pretrained(path, config=config, **chosen, **extra).eval()
        return model, _processor(transformers, model, path, chosen)
    except (OSError, ValueError, KeyError, ImportError) as error:
        if isinstance(error, InputError):
            raise
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        close = get_close_matches(path, models.EMBEDDED, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise InputError(
            f"cannot load {path!r}{hint}: it is no embedded model ({', '.join(models.EMBEDDED)}), and transformers "
            f"says: {first}"
        ) from error


def _auto_class(config: Any) -> str:
    """The auto class of the task head that the configuration names; the bare model without one."""
    named = (getattr(config, "architectures", None) or [""])[0] or ""
    return next((auto for ending, auto in _CLASSES.items() if named.endswith(ending)), "AutoModel")


def _processor(transformers: Any, model: Any, path: str, chosen: dict) -> Any:
    wanted = getattr(model, "main_input_name", "input_ids")
    if wanted == "pixel_values":
        return transformers.AutoImageProcessor.from_pretrained(path, **chosen)
    if wanted == "input_ids":
        return transformers.AutoTokenizer.from_pretrained(path, **chosen)
    raise InputError(
        f"{path!r} takes {wanted}; attnlens loads text and image models. Capture works on any: "
        "with attnlens.capture(model)"
    )


def _refuse_missing(name: str) -> None:
    """A path that is not there should not be looked for on a hub."""
    path = Path(name).expanduser()
    looks_local = name.startswith((".", "/", "~")) or name.count("/") > 1 or path.is_file()
    if path.is_dir() and not (path / "config.json").is_file():
        raise InputError(
            f"the folder {name} has no config.json; save a model there with model.save_pretrained"
        )
    if looks_local and not path.is_dir():
        raise InputError(f"there is no model folder {name}")


def _model_type(path: str) -> str | None:
    config = Path(path) / "config.json"
    if not config.is_file():
        return None
    try:
        return json.loads(config.read_text(encoding="utf-8")).get("model_type")
    except (ValueError, AttributeError) as error:
        raise InputError(f"{config} is not a model configuration: {error}") from error
