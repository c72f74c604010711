"""Small seeded models of many architectures, each with padded inputs, for the tests of capture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import transformers as hf

TEXT = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
LLM = TEXT | {
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
VISION = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}

LENGTHS = (11, 7, 9)
"""Real tokens of the three inputs of a text batch; the rest is padding."""


def text_inputs(side: str = "right") -> dict[str, torch.Tensor]:
    """input_ids and attention_mask `[3, 11]`"""
    ids = torch.randint(5, 60, (len(LENGTHS), max(LENGTHS)))
    mask = torch.zeros_like(ids)
    for row, length in enumerate(LENGTHS):
        if side == "right":
            mask[row, :length] = 1
        else:
            mask[row, -length:] = 1
    return {"input_ids": ids * mask, "attention_mask": mask}


def image_inputs(size: int = 32) -> dict[str, torch.Tensor]:
    """pixel_values `[2, 3, size, size]`"""
    return {"pixel_values": torch.randn(2, 3, size, size)}


@dataclass(frozen=True)
class Case:
    """One architecture: its configuration, its inputs, and how eager attention is read from its output."""

    config: Callable[[], object]
    model: str
    inputs: Callable[[], dict] = text_inputs
    eager: Callable[[object], tuple] = lambda output: output.attentions
    tolerance: float = 1e-5
    side: str = field(default="right")

    def build(self):
        torch.manual_seed(0)
        model = getattr(hf, self.model)(self.config()).eval()
        for name, parameter in model.named_parameters():
            # Fresh weights give nearly uniform attention; larger ones make rows differ.
            if parameter.ndim > 1 and "embed" not in name:
                parameter.data.mul_(6)
        return model, (self.inputs(self.side) if self.inputs is text_inputs else self.inputs())


def clip_inputs():
    text = text_inputs()
    return text | {"pixel_values": torch.randn(3, 3, 32, 32)}


def seq2seq_inputs():
    decoder = torch.randint(5, 60, (3, 6))
    keep = torch.ones_like(decoder)
    keep[2, 4:] = 0
    return text_inputs() | {"decoder_input_ids": decoder, "decoder_attention_mask": keep}


def seq2seq_attentions(output) -> tuple:
    """Encoder layers, then decoder self and cross alternating, as they run."""
    decoder = [a for pair in zip(output.decoder_attentions, output.cross_attentions) for a in pair]
    return (*output.encoder_attentions, *decoder)


def clip_config():
    return hf.CLIPConfig(
        text_config=TEXT | {"max_position_embeddings": 64, "projection_dim": 16, "eos_token_id": 2},
        vision_config=VISION | {"projection_dim": 16},
        projection_dim=16,
    )


def clip_attentions(output) -> tuple:
    return output.vision_model_output.attentions, output.text_model_output.attentions


CASES = {
    "bert": Case(lambda: hf.BertConfig(**TEXT), "BertModel"),
    "distilbert": Case(
        lambda: hf.DistilBertConfig(vocab_size=60, dim=32, n_layers=2, n_heads=4, hidden_dim=48),
        "DistilBertModel",
    ),
    "roberta": Case(lambda: hf.RobertaConfig(**TEXT, pad_token_id=0), "RobertaModel"),
    "electra": Case(lambda: hf.ElectraConfig(**TEXT, embedding_size=16), "ElectraModel"),
    "albert": Case(lambda: hf.AlbertConfig(**TEXT, embedding_size=16), "AlbertModel"),
    "deberta-v2": Case(
        lambda: hf.DebertaV2Config(
            **TEXT, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=8
        ),
        "DebertaV2Model",
    ),
    "modernbert": Case(
        lambda: hf.ModernBertConfig(
            **{**TEXT, "num_hidden_layers": 4},
            global_attn_every_n_layers=2,
            local_attention=4,
            pad_token_id=0,
        ),
        "ModernBertModel",
    ),
    "vit": Case(lambda: hf.ViTConfig(**VISION), "ViTModel", image_inputs),
    "deit": Case(lambda: hf.DeiTConfig(**VISION), "DeiTModel", image_inputs),
    "dinov2": Case(lambda: hf.Dinov2Config(**VISION), "Dinov2Model", image_inputs),
    "beit": Case(lambda: hf.BeitConfig(**VISION, use_relative_position_bias=True), "BeitModel", image_inputs),
    "swin": Case(
        lambda: hf.SwinConfig(
            image_size=32, patch_size=2, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4
        ),
        "SwinModel",
        image_inputs,
    ),
    "gpt2": Case(
        lambda: hf.GPT2Config(vocab_size=60, n_embd=32, n_layer=2, n_head=4, n_positions=64),
        "GPT2Model",
        side="left",
    ),
    "bloom": Case(
        lambda: hf.BloomConfig(vocab_size=60, hidden_size=32, n_layer=2, n_head=4), "BloomModel", side="left"
    ),
    "llama": Case(lambda: hf.LlamaConfig(**LLM), "LlamaModel", side="left"),
    "qwen2": Case(
        lambda: hf.Qwen2Config(
            **{**LLM, "num_hidden_layers": 2}, use_sliding_window=True, sliding_window=4, max_window_layers=1
        ),
        "Qwen2Model",
        side="left",
    ),
    "mistral": Case(lambda: hf.MistralConfig(**LLM, sliding_window=4), "MistralModel"),
    "gemma2": Case(
        lambda: hf.Gemma2Config(**LLM, head_dim=8, sliding_window=4, attn_logit_softcapping=5.0),
        "Gemma2Model",
    ),
    "t5": Case(
        lambda: hf.T5Config(vocab_size=60, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4),
        "T5Model",
        seq2seq_inputs,
        seq2seq_attentions,
        tolerance=1e-4,
    ),
    "bart": Case(
        lambda: hf.BartConfig(
            vocab_size=60,
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=48,
            decoder_ffn_dim=48,
            max_position_embeddings=64,
            pad_token_id=0,
        ),
        "BartModel",
        seq2seq_inputs,
        seq2seq_attentions,
    ),
}
