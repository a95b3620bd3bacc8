"""Networks of the transformers package, small and with random weights: the same ones each time."""

import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    ConvNextConfig,
    ConvNextForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

SEED = 20260101


def vit() -> nn.Module:
    """Shapes: pixel_values (batch, 3, 32, 32) -> logits (batch, 10)."""
    torch.manual_seed(SEED)
    sizes = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128}
    config = ViTConfig(**sizes, image_size=32, patch_size=8, num_labels=10)
    return ViTForImageClassification(config)


def bert() -> nn.Module:
    """Shapes: input_ids, attention_mask, token_type_ids (batch, token) int64 -> logits (batch, 3)."""
    torch.manual_seed(SEED)
    sizes = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128}
    config = BertConfig(**sizes, vocab_size=200, max_position_embeddings=64, num_labels=3)
    return BertForSequenceClassification(config)


def convnext() -> nn.Module:
    """Shapes: pixel_values (batch, 3, 64, 64) -> logits (batch, 10)."""
    torch.manual_seed(SEED)
    config = ConvNextConfig(hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 2, 1], num_labels=10)
    return ConvNextForImageClassification(config)
