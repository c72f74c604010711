"""From a text to a model's ids, and from the ids back to readable tokens."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from .._checks import as_integer, integer
from ..data._trace import Token
from ..errors import InputError

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model")


@dataclass
class Encoded:
    """One text, or one window of it, encoded for a model.

    inputs: rows of ids by the model's input name, unpadded
    text: the whole text, or both of a pair
    output_ids, output_tokens: what the decoder of an encoder-decoder reads
    """

    inputs: dict[str, list[int]]
    tokens: tuple[Token, ...]
    text: tuple[str, ...]
    output_ids: tuple[int, ...] = ()
    output_tokens: tuple[Token, ...] = ()

    def __len__(self) -> int:
        return len(self.tokens)


def encode(tokenizer: Any, input: Any) -> Encoded:
    """One text or pair, however long."""
    texts = _texts(input)
    options = {"return_special_tokens_mask": True, "verbose": False}
    encoded = tokenizer(*texts, return_offsets_mapping=_fast(tokenizer), **options)
    return _finished(tokenizer, encoded, None, texts)


def encode_all(tokenizer: Any, inputs: Sequence[Any]) -> list[Encoded]:
    """`encode` of each; a fast tokenizer takes all of them together."""
    texts = [_texts(input) for input in inputs]
    if not texts or not _fast(tokenizer) or len(set(map(len, texts))) > 1:
        return [encode(tokenizer, input) for input in inputs]
    encoded = tokenizer(
        *map(list, zip(*texts)),
        return_special_tokens_mask=True,
        return_offsets_mapping=True,
        verbose=False,
    )
    return [_finished(tokenizer, encoded, number, one) for number, one in enumerate(texts)]


def windows(tokenizer: Any, input: Any, window: int, overlap: int | None, limit: int | None) -> list[Encoded]:
    """A text in overlapping windows, in order; of a pair the second text, with the first in every window."""
    texts = _texts(input)
    fixed = tokenizer.num_special_tokens_to_add(pair=len(texts) == 2)
    if len(texts) == 2:
        fixed += len(tokenizer(texts[0], add_special_tokens=False, verbose=False)["input_ids"])
    size = as_integer(window)
    if size is None or size <= fixed or (limit is not None and size > limit):
        most = "" if limit is None else f" and at most {limit}"
        first = ", the first text of the pair among them" if len(texts) == 2 else ""
        raise InputError(
            f"window must be at least {fixed + 1} tokens{most}, not {window!r}: {fixed} are in every window{first}"
        )
    overlap = min(size // 4, size - fixed - 1) if overlap is None else overlap
    overlap = integer("overlap", overlap, least=0, most=size - fixed - 1)
    if not _fast(tokenizer):
        return _slow_windows(tokenizer, texts, size - fixed, overlap)
    encoded = tokenizer(
        *texts,
        max_length=size,
        stride=overlap,
        truncation="only_second" if len(texts) == 2 else "only_first",
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        verbose=False,
    )
    pieces = [_finished(tokenizer, encoded, n, texts) for n in range(len(encoded["input_ids"]))]
    return sorted(pieces, key=_first_place)  # a tokenizer that truncates on the left begins at the end


def _slow_windows(tokenizer: Any, texts: tuple[str, ...], room: int, overlap: int) -> list[Encoded]:
    """Tokenizers written in Python return no overflowing windows, so the ids are split here."""
    *first, ids = (tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"] for text in texts)
    pieces = []
    for start in range(0, max(1, len(ids) - overlap), room - overlap):
        pair = (*first, ids[start : start + room])
        encoded = tokenizer.prepare_for_model(*pair, return_special_tokens_mask=True, verbose=False)
        pieces.append(_finished(tokenizer, encoded, None, texts))
    return pieces


def _first_place(encoded: Encoded) -> int:
    return min(t.start for t in encoded.tokens if t.start is not None and t.segment == len(encoded.text) - 1)


def output(tokenizer: Any, text: str, start: int) -> tuple[tuple[int, ...], tuple[Token, ...]]:
    """(ids, tokens) that a decoder reads: its start token, then the text."""
    if not isinstance(text, str):
        raise InputError(f"output= is the one text that the decoder reads, a str, not {type(text).__name__}")
    _check_characters(text)
    ids = (start, *tokenizer(text_target=text, add_special_tokens=False, verbose=False)["input_ids"])
    spell, marks = speller(tokenizer), set(tokenizer.all_special_ids)
    pieces = tokenizer.convert_ids_to_tokens(list(ids))
    return ids, tuple(Token(spell(p), i, special=i in marks) for p, i in zip(pieces, ids))


def pad(rows: Sequence[dict[str, list[int]]], blanks: dict[str, int]) -> dict[str, Tensor]:
    """Tensors `[batch, token]`, padded on the right with `blanks` (0 for other names).

    Always on the right, whatever the tokenizer's padding side, so that every token keeps its position.
    """
    longest = max(len(row["input_ids"]) for row in rows)

    def filled(row: list[int], name: str) -> list[int]:
        return row + [blanks.get(name, 0)] * (longest - len(row))

    return {name: torch.tensor([filled(row[name], name) for row in rows]) for name in rows[0]}


def vocabulary(tokenizer: Any) -> tuple[str, ...]:
    """Every token's text in the order of ids."""
    spell = speller(tokenizer)
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    return tuple(f"token {i}" if piece is None else spell(str(piece)) for i, piece in enumerate(pieces))


# -- tokenizer and model --------------------------------------------------------------------------------------


def check_vocabulary(model: nn.Module, tokenizer: Any) -> None:
    """Warns of a tokenizer that is not the model's: one with more tokens than the model has embeddings, or with other
    ids than the tokenizer saved beside the model."""
    rows, size = _embeddings(model), len(tokenizer)
    if rows is not None and size > rows:
        warnings.warn(
            f"the tokenizer has {size} tokens and {type(model).__name__} embeds {rows}: texts with one of the others "
            "are refused. Is it the model's own? After tokenizer.add_tokens(...) call "
            "model.resize_token_embeddings(len(tokenizer))",
            stacklevel=4,
        )
    saved = _saved_tokenizer(model, tokenizer)
    if saved is None:
        return
    saved_ids, ids = saved.get_vocab(), tokenizer.get_vocab()
    other = [token for token, id in saved_ids.items() if ids.get(token) != id]
    if other:
        folder = model.config._name_or_path
        warnings.warn(
            f"{len(other)} of the {len(saved_ids)} tokens of the model's own tokenizer (in {folder}) have another id "
            f"in the given one, such as {other[0]!r} ({saved_ids[other[0]]} there, {ids.get(other[0])} here), so that "
            f"the model reads other tokens. Use AutoTokenizer.from_pretrained({folder!r})",
            stacklevel=4,
        )


def check_ids(model: nn.Module, tokenizer: Any, encoded: Sequence[Encoded]) -> None:
    """Raises InputError for a token without an embedding in the model."""
    rows = _embeddings(model)
    if rows is None:
        return
    beyond = next((id for one in encoded for id in one.inputs.get("input_ids", ()) if id >= rows), None)
    if beyond is not None:
        raise InputError(
            f"the token {tokenizer.convert_ids_to_tokens(beyond)!r} has the id {beyond}, and {type(model).__name__} "
            f"embeds {rows} tokens: the tokenizer is not this model's. Load both from the same folder, or call "
            "model.resize_token_embeddings(len(tokenizer))"
        )


def _embeddings(model: nn.Module) -> int | None:
    """Number of word embeddings; None where the model has no such table."""
    try:
        table = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
    return table.num_embeddings if isinstance(table, nn.Embedding) else None


def _saved_tokenizer(model: nn.Module, tokenizer: Any) -> Any:
    """The tokenizer in the folder of the model, where the given one was loaded from elsewhere."""
    folder = getattr(getattr(model, "config", None), "_name_or_path", None) or ""
    if not folder or folder == getattr(tokenizer, "name_or_path", None) or not Path(folder).is_dir():
        return None
    if not any((Path(folder) / name).exists() for name in TOKENIZER_FILES):
        return None
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError):  # a folder that only looks like one
        return None


# -- checks ---------------------------------------------------------------------------------------------------


def _texts(input: Any) -> tuple[str, ...]:
    texts = input if isinstance(input, tuple) else (input,)
    if len(texts) not in (1, 2) or not all(isinstance(text, str) for text in texts):
        kinds = ", ".join(type(text).__name__ for text in texts)
        kind = f"a tuple ({kinds})" if isinstance(input, tuple) else kinds
        raise InputError(f"a text lens takes a str, a pair (str, str), or a list of these, not {kind}")
    for text in texts:
        if not text.strip():
            raise InputError("the text is empty; give at least one word")
        _check_characters(text)
    return texts


def _check_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"the text holds half a surrogate pair at character {error.start}, which no tokenizer can read; "
            "clean it with text.encode(errors='replace').decode()"
        ) from error


def _fast(tokenizer: Any) -> bool:
    return bool(getattr(tokenizer, "is_fast", False))


# -- tokens ---------------------------------------------------------------------------------------------------


def _finished(tokenizer: Any, encoded: Any, number: int | None, texts: tuple[str, ...]) -> Encoded:
    """One row of an encoding (None: the only one) as an `Encoded`."""
    rows = {name: (encoded[name] if number is None else encoded[name][number]) for name in encoded.keys()}
    if all(rows["special_tokens_mask"]):
        raise InputError(f"the tokenizer finds no token in {texts[0]!r}; give a text with at least one word")
    names = [name for name in tokenizer.model_input_names if name in rows]
    inputs = {name: list(rows[name]) for name in names} | {"attention_mask": [1] * len(rows["input_ids"])}
    make = _tokens if _fast(tokenizer) else _slow_tokens
    return Encoded(inputs, make(tokenizer, encoded, number or 0, rows, texts), texts)


def _tokens(
    tokenizer: Any, encoded: Any, number: int, rows: dict, texts: tuple[str, ...]
) -> tuple[Token, ...]:
    ids, spell = rows["input_ids"], speller(tokenizer)
    columns = zip(
        tokenizer.convert_ids_to_tokens(ids),
        ids,
        rows["special_tokens_mask"],
        encoded.word_ids(number),
        encoded.sequence_ids(number),
        rows["offset_mapping"],
    )
    tokens = []
    for piece, id, special, word, segment, (start, end) in columns:
        if special or segment is None:
            tokens.append(Token(piece, id, special=True, segment=_segment(rows, len(tokens), segment, texts)))
        else:
            text = spell(piece, texts[segment][start:end])
            tokens.append(Token(text, id, word=word, start=start, end=end, segment=segment))
    return tuple(tokens)


def _slow_tokens(tokenizer: Any, encoded: Any, number: int, rows: dict, texts: tuple) -> tuple[Token, ...]:
    """Tokens of tokenizers written in Python, which return no words and no spans."""
    ids, spell = rows["input_ids"], speller(tokenizer)
    pieces = tokenizer.convert_ids_to_tokens(ids)
    return tuple(
        Token(spell(piece), id, special=bool(special), segment=_segment(rows, place, None, texts))
        for place, (piece, id, special) in enumerate(zip(pieces, ids, rows["special_tokens_mask"]))
    )


def _segment(rows: dict, place: int, segment: int | None, texts: tuple[str, ...]) -> int:
    """The segment of a token; for a special token the one in the model's token types."""
    if segment is not None or len(texts) == 1 or "token_type_ids" not in rows:
        return segment or 0
    return min(int(rows["token_type_ids"][place]), 1)


def speller(tokenizer: Any) -> Callable[..., str]:
    """From a vocabulary piece (and its source in the text) to its readable text.

    Byte-level pieces are decoded ("Ġfilm" is " film"; a part of a character is shown as the whole), the mark of
    SentencePiece becomes a space; the "##" of WordPiece is kept.
    """
    if tokenizer not in _spellers:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        parts = repr(getattr(backend, "decoder", None)) + repr(getattr(backend, "pre_tokenizer", None))
        bytewise = "ByteLevel" in parts or hasattr(tokenizer, "byte_decoder")
        _spellers[tokenizer] = _spell_bytes if bytewise else _spell
    return _spellers[tokenizer]


_spellers = WeakIdKeyDictionary()
"""One for each tokenizer: the representation of its parts takes longer than the encoding of a sentence."""


def _spell(piece: str, source: str = "") -> str:
    if source and len(piece) == 6 and piece.startswith("<0x"):
        return source  # SentencePiece writes unknown characters byte by byte
    return piece.replace("▁", " ")


def _spell_bytes(piece: str, source: str = "") -> str:
    if not all(character in _BYTES for character in piece):
        return piece  # an added token, written as it is
    try:
        return bytes(_BYTES[character] for character in piece).decode()
    except UnicodeDecodeError:
        return source or bytes(_BYTES[character] for character in piece).decode(errors="replace")


def _byte_alphabet() -> dict[str, int]:
    """The printable character that GPT-2's byte-level vocabulary writes for each byte, the other way round."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTES = _byte_alphabet()
