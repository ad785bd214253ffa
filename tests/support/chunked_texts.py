"""Embeddings of texts of more than 75 tokens, and of a layer before the last, by transformers: kohya's chunks, cut and joined step by step."""
import torch


@torch.no_grad()
def embedding_of(text, tokenizer, encoder, max_token_length=75, clip_skip=1):
    """[77, 152 or 227, C]"""
    ids = tokenizer(text, padding="max_length", truncation=True, max_length=max_token_length + 2).input_ids
    start, end = ids[0], ids[-1]
    outputs = []
    for first in range(1, max_token_length, 75):
        window = torch.tensor([[start, *ids[first:first + 75], end]])
        hidden = encoder(window, output_hidden_states=True).hidden_states[-clip_skip][0]
        outputs.append(encoder.get_submodule("text_model.final_layer_norm" if hasattr(encoder, "text_model") else "final_layer_norm")(hidden))
    return torch.cat([outputs[0][:1], *(output[1:76] for output in outputs), outputs[-1][76:]])
