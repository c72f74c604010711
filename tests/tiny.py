"""Small seeded models with tokenizers of every kind, in hand or saved to a folder, for the tests of lenses."""

from __future__ import annotations

from functools import cache

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn

SENTENCES = (
    "a gripping , funny film with one dull stretch .",
    "the acting was unbelievably bad",
    "see it",
    "nothing in this film is worth the time that it takes , and it takes a long time",
    "who would not love a film like this one ?",
    "flat",
    "the story goes nowhere",
)

TEXT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
VISION = TEXT | {"image_size": 32, "patch_size": 8}
BART = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 128,
    "bos_token_id": 2, "pad_token_id": 1, "eos_token_id": 3, "decoder_start_token_id": 3, "forced_eos_token_id": 3,
}  # fmt: skip


# -- tokenizers -----------------------------------------------------------------------------------------------


@cache
def wordpiece() -> hf.PreTrainedTokenizerFast:
    """As BERT's: lower case, "##" inside words, [CLS] and [SEP], token types."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = sorted({word for text in SENTENCES for word in text.split()})
    letters = [chr(c) for c in range(97, 123)]
    vocabulary = [*special, *words, *letters, *(f"##{letter}" for letter in letters), "!", "'", "-", "<", ">"]
    backend = Tokenizer(
        models.WordPiece({piece: i for i, piece in enumerate(dict.fromkeys(vocabulary))}, unk_token="[UNK]")
    )
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **names,
    )


@cache
def byte_level(padding: str | None = None, side: str = "right") -> hf.PreTrainedTokenizerFast:
    """As GPT-2's: bytes, "Ġ" for a space, no special tokens around, no padding token unless asked."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|end|>"],
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES, trainer)
    end = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|end|>")
    more = {} if padding is None else {"pad_token": padding}
    return hf.PreTrainedTokenizerFast(tokenizer_object=backend, padding_side=side, **end, **more)


@cache
def roberta() -> hf.PreTrainedTokenizerFast:
    """As RoBERTa's and BART's: bytes between <s> and </s>."""
    backend = Tokenizer.from_str(byte_level().backend_tokenizer.to_str())
    backend.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    ids = {name: backend.token_to_id(name) for name in ("<s>", "</s>")}
    backend.post_processor = processors.RobertaProcessing(("</s>", ids["</s>"]), ("<s>", ids["<s>"]))
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>", mask_token="<mask>",
    )  # fmt: skip


@cache
def metaspace() -> hf.PreTrainedTokenizerFast:
    """As T5's: pieces that begin with "▁", </s> at the end."""
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES, trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


# -- text models ----------------------------------------------------------------------------------------------


def seeded(build, **options) -> nn.Module:
    """A model in eval mode whose attention is far from uniform."""
    torch.manual_seed(0)
    model = build(**options).eval()
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and "embed" not in name and "shared" not in name:
            parameter.data.mul_(4)
    return model


def bert(head: str = "ForSequenceClassification", **options) -> nn.Module:
    tokenizer = wordpiece()
    config = hf.BertConfig(
        vocab_size=len(tokenizer), max_position_embeddings=64, pad_token_id=0, **TEXT, **options
    )
    return seeded(lambda: getattr(hf, f"Bert{head}")(config))


def distilbert(head: str = "ForSequenceClassification", **options) -> nn.Module:
    config = hf.DistilBertConfig(
        vocab_size=len(wordpiece()), dim=32, n_layers=2, n_heads=4, hidden_dim=48, max_position_embeddings=64,
        pad_token_id=0, **options,
    )  # fmt: skip
    return seeded(lambda: getattr(hf, f"DistilBert{head}")(config))


def roberta_model(head: str = "ForSequenceClassification", **options) -> nn.Module:
    tokenizer = roberta()
    config = hf.RobertaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=66, pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, **TEXT, **options,
    )  # fmt: skip
    # padding_idx shifts the positions, as in the real one, where it is 1.
    config.max_position_embeddings = 64 + tokenizer.pad_token_id + 1
    return seeded(lambda: getattr(hf, f"Roberta{head}")(config))


def electra(head: str = "ForSequenceClassification", **options) -> nn.Module:
    config = hf.ElectraConfig(
        vocab_size=len(wordpiece()), embedding_size=24, max_position_embeddings=64, pad_token_id=0, **TEXT, **options
    )  # fmt: skip
    return seeded(lambda: getattr(hf, f"Electra{head}")(config))


def albert(head: str = "ForSequenceClassification", **options) -> nn.Module:
    """One layer's weights that run twice."""
    config = hf.AlbertConfig(
        vocab_size=len(wordpiece()), embedding_size=24, max_position_embeddings=64, pad_token_id=0,
        bos_token_id=2, eos_token_id=3, **TEXT, **options,
    )  # fmt: skip
    return seeded(lambda: getattr(hf, f"Albert{head}")(config))


def deberta(head: str = "ForSequenceClassification", **options) -> nn.Module:
    """Positions in the attention, none in the embedding."""
    config = hf.DebertaV2Config(
        vocab_size=len(wordpiece()), max_position_embeddings=64, pad_token_id=0, type_vocab_size=2,
        relative_attention=True, position_buckets=16, norm_rel_ebd="layer_norm", position_biased_input=False,
        pos_att_type=["p2c", "c2p"], share_att_key=True, **TEXT, **options,
    )  # fmt: skip
    return seeded(lambda: getattr(hf, f"DebertaV2{head}")(config))


def modernbert(head: str = "ForSequenceClassification", **options) -> nn.Module:
    """Rotary positions, a window of 8 tokens in the second layer."""
    config = hf.ModernBertConfig(
        vocab_size=len(wordpiece()), max_position_embeddings=64, pad_token_id=0, bos_token_id=2, eos_token_id=3,
        cls_token_id=2, sep_token_id=3, local_attention=8, global_attn_every_n_layers=2, **TEXT, **options,
    )  # fmt: skip
    return seeded(lambda: getattr(hf, f"ModernBert{head}")(config))


def gpt2(head: str = "LMHeadModel", **options) -> nn.Module:
    config = hf.GPT2Config(
        vocab_size=len(byte_level()), n_embd=32, n_layer=2, n_head=4, n_positions=64,
        **{"bos_token_id": 0, "eos_token_id": 0} | options,
    )  # fmt: skip
    return seeded(lambda: getattr(hf, f"GPT2{head}")(config))


def llama(head: str = "ForCausalLM", **options) -> nn.Module:
    config = hf.LlamaConfig(
        vocab_size=len(byte_level()), num_key_value_heads=2, max_position_embeddings=64, bos_token_id=0,
        eos_token_id=0, pad_token_id=None, **TEXT, **options,
    )  # fmt: skip
    return seeded(lambda: getattr(hf, f"Llama{head}")(config))


def t5(head: str = "ForConditionalGeneration") -> nn.Module:
    config = hf.T5Config(
        vocab_size=len(metaspace()), d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, pad_token_id=0,
        eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    return seeded(lambda: getattr(hf, f"T5{head}")(config))


def bart(head: str = "ForConditionalGeneration") -> nn.Module:
    tokenizer = roberta()
    ids = {
        "bos_token_id": tokenizer.bos_token_id, "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id, "decoder_start_token_id": tokenizer.eos_token_id,
        "forced_eos_token_id": tokenizer.eos_token_id,
    }  # fmt: skip
    config = hf.BartConfig(vocab_size=len(tokenizer), **(BART | ids))
    return seeded(lambda: getattr(hf, f"Bart{head}")(config))


# -- vision models --------------------------------------------------------------------------------------------


def vit(head: str = "ForImageClassification", **options) -> nn.Module:
    return seeded(lambda: getattr(hf, f"ViT{head}")(hf.ViTConfig(**VISION, **options)))


def processor(size: int = 32):
    """An image processor with ViT's normalisation."""
    return hf.ViTImageProcessorPil(size={"height": size, "width": size})


class HandViT(nn.Module):
    """A hand-written vision Transformer: attention in three products and a softmax, any grid, any leading tokens."""

    def __init__(self, patch: int = 4, leading: int = 1, labels: tuple[str, ...] = (), channels: int = 3):
        super().__init__()
        self.labels = labels
        self.embed = nn.Conv2d(channels, 16, patch, patch)
        self.leading = nn.Parameter(torch.randn(1, leading, 16))
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(16, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.embed(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.leading.expand(len(pixels), -1, -1), patches], 1)
        weights = (self.query(x) @ self.key(x).transpose(1, 2)).softmax(-1)
        return self.head(self.dropout(weights @ self.value(x)).mean(1))


# -- comparing ------------------------------------------------------------------------------------------------


def assert_same_trace(one, other, tolerance: float = 1e-5) -> None:
    """Equal tokens, and logits and every layer's weights equal up to rounding."""
    assert one.tokens == other.tokens
    assert one.output_tokens == other.output_tokens
    assert one.text == other.text
    assert one.labels == other.labels
    assert len(one) == len(other) > 0
    for a, b in zip(one.layers, other.layers):
        assert (a.name, a.kind, a.query_side, a.key_side) == (b.name, b.kind, b.query_side, b.key_side)
        torch.testing.assert_close(a.attention[:], b.attention[:], atol=tolerance, rtol=0)
    if one.logits is None:
        assert other.logits is None
    else:
        torch.testing.assert_close(one.logits, other.logits, atol=10 * tolerance, rtol=1e-4)
