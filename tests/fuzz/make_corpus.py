"""Small valid inputs of every fuzz target, as the programs of others write them: tests/fuzz/corpus/TARGET/.

    python tests/fuzz/make_corpus.py [DIRECTORY]      with the Python of launcher/setup.sh
"""
import collections
import io
import json
import pathlib
import pickle
import struct
import sys
import zipfile
import zlib

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401  (registers JPEG XL)
import safetensors.numpy
import safetensors.torch
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

BORDER = b"\n====\n"  # between the files of one input (fuzz_verdict.h)
SHA = "ab" * 32


def safetensors_files():
    ones = np.ones((2, 3), np.float32)
    yield "empty", safetensors.numpy.save({})
    yield "types", safetensors.numpy.save({"a": ones, "b": ones.astype(np.float16), "c": np.arange(3), "d": np.array(True)},
                                          metadata={"format": "pt", "ключ": "значение"})
    yield "lora", safetensors.numpy.save({"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": ones,
                                          "lora_unet_mid_block_attentions_0_proj_in.alpha": np.array(2, np.float32)})
    yield "float8", safetensors.torch.save({"a": torch.ones(4).to(torch.float8_e4m3fn), "b": torch.ones(4).to(torch.float8_e5m2)})
    unusual = (b' {"__metadata__":null,"x":{"dtype":"F4","shape":[2,2],"data_offsets":[0,2],"more":[1,{"a":null,"b":-1.5}]},'
               b'"y":{"dtype":"U64","shape":[0],"data_offsets":[2,2]}}')
    yield "unusual", len(unusual).to_bytes(8, "little") + unusual + b"12"
    yield "pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + SHA.encode() + b"\nsize 4265146304\n"
    yield "web_page", b"<!DOCTYPE html><html><title>x</title>"
    yield "gguf", b"GGUF\3\0\0\0\1\0\0\0"
    yield "msgpack", b"\x83\xa6params\x81\xa3xyz"
    yield "tar", b"storages".ljust(257, b"\0") + b"ustar".ljust(255, b"\0")


def torch_files():
    shared = torch.arange(12.0)
    values = {"plain": {"a": torch.ones(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)},
              "views": {"a": shared[:6].view(2, 3).t(), "b": shared[3:]},
              "state_dict": torch.nn.Linear(2, 2).state_dict(),
              "parameters": dict(torch.nn.Linear(2, 2).named_parameters())}
    for name, value in values.items():
        buffer = io.BytesIO()
        torch.save(value, buffer)
        yield name, buffer.getvalue()
        with zipfile.ZipFile(buffer) as archive:
            yield name + "_pickle", archive.read(next(n for n in archive.namelist() if n.endswith("data.pkl")))
        buffer = io.BytesIO()
        torch.save(value, buffer, _use_new_zipfile_serialization=False)
        yield name + "_legacy", buffer.getvalue()
    ordered = collections.OrderedDict(w=torch.ones(2))
    whole = {"epoch": 6, "state_dict": ordered, "callbacks": {collections.Counter: {"score": np.float64(0.5), "path": b"x", "set": {1}}},
             "lr": [1e-4, None, 2**100], "dtype": torch.float16, "sparse": torch.eye(2).to_sparse()}
    for protocol in (2, 3, 4, 5):
        buffer = io.BytesIO()
        torch.save(whole, buffer, pickle_protocol=protocol, _use_new_zipfile_serialization=protocol % 2 == 0)
        yield f"lightning{protocol}", buffer.getvalue()
        yield f"lightning{protocol}_pickle", pickle.dumps({**whole, "state_dict": 1, "sparse": 2}, protocol)
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(4).to(torch.float8_e4m3fn), "u": torch.ones(2, dtype=torch.uint16),
                "q": torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.qint8)}, buffer)
    yield "types", buffer.getvalue()
    with zipfile.ZipFile(buffer) as archive:
        yield "types_pickle", archive.read("archive/data.pkl")
    buffer = io.BytesIO()
    torch.save(torch.nn.ParameterDict({"*": torch.nn.Parameter(torch.ones(1))}), buffer)
    yield "parameter_dict", buffer.getvalue()
    yield "command_pickle", b"\x80\x04}(\x8c\x01w\x8c\x02os\x8c\x06system\x93u."
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(2)}, buffer)
    with zipfile.ZipFile(buffer) as archive:
        yield "zip64", wide_zip((name, archive.read(name)) for name in ("archive/data.pkl", "archive/data/0"))


def wide_zip(records):
    """A zip archive whose every size and offset stands in a zip64 field, as above 4 GiB."""
    files, directory = b"", b""
    for count, (name, content) in enumerate(records, 1):
        common = struct.pack("<HHHHI", 0, 0, 0, 0, zlib.crc32(content))
        extra = struct.pack("<HHQQQ", 1, 24, len(content), len(content), len(files))
        directory += (b"PK\1\2" + struct.pack("<HH", 45, 45) + common + struct.pack("<IIHHHHHII", 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(extra),
                                                                                   0, 0, 0, 0, 0xFFFFFFFF) + name.encode() + extra)
        files += b"PK\3\4" + struct.pack("<H", 45) + common + struct.pack("<IIHH", len(content), len(content), len(name), 0) + name.encode() + content
    end = len(files) + len(directory)
    return (files + directory + b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, len(directory), len(files)) +
            b"PK\6\7" + struct.pack("<IQI", 0, end, 1) + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))


def adapter_names():
    path = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    for number, name in enumerate((
            f"{path}.lora_A", f"lora_unet_{path.replace('.', '_')}.lora_down.weight", f"unet.{path}.lora_B.weight",
            f"unet.{path}.lora.up.weight", "down_blocks.0.attn1.processor.to_out_lora.down.weight",
            f"base_model.model.{path}.lora_A.default.weight", "lora_te_text_model_encoder_layers_0_mlp_fc1.alpha",
            "lora_unet_mid_block_attentions_0_proj_in.hada_w1_a", "unet:12:down", "<word>", "lora_te2_x.alpha",
            f"{path}.lora_magnitude_vector.default.weight")):
        yield f"name{number:02}", name.encode()


def model_configs():
    yield "unet", {"_class_name": "UNet2DConditionModel", "sample_size": 8, "in_channels": 4, "out_channels": 4,
                   "block_out_channels": [32, 64], "layers_per_block": 2, "cross_attention_dim": 32, "attention_head_dim": 8,
                   "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
                   "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "norm_num_groups": 32, "norm_eps": 1e-5,
                   "act_fn": "silu", "flip_sin_to_cos": True, "freq_shift": 0, "center_input_sample": False}
    yield "vae", {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2,
                  "block_out_channels": [32, 64], "layers_per_block": 1, "latent_channels": 4, "norm_num_groups": 32,
                  "scaling_factor": 0.18215, "act_fn": "silu"}
    yield "text", {"vocab_size": 1000, "hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2,
                   "num_attention_heads": 4, "max_position_embeddings": 77, "layer_norm_eps": 1e-5, "hidden_act": "quick_gelu"}
    yield "scheduler", {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
                        "prediction_type": "epsilon", "trained_betas": None, "rescale_betas_zero_snr": False}
    yield "scheduler_betas", {"trained_betas": [0.1, 0.2], "num_train_timesteps": 2, "prediction_type": "v_prediction"}


def tokenizers():
    vocabulary = {"a": 0, "b": 1, "b</w>": 2, "a</w>": 3, "ab</w>": 4, "<|startoftext|>": 5, "<|endoftext|>": 6}
    merges = "#version: 0.2\na b</w>\n"
    config = {"model_max_length": 77, "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
              "pad_token": {"content": "<|endoftext|>", "normalized": True, "lstrip": False}}
    whole = {"model": {"vocab": vocabulary, "merges": ["a b</w>"]},
             "added_tokens": [{"id": 7, "content": "<new>", "special": False, "normalized": True, "single_word": True, "rstrip": True}]}
    text = "An ab, a  B 12's Ünïcode \u0345 <new> \U0001f98a"
    for name, parts in (("files", [vocabulary, merges, config, {"bos_token": "<|startoftext|>"}, {"<more>": 7}, "", text]),
                        ("one_file", ["", "", config, "", "", whole, text]),
                        ("decoder", [vocabulary, merges, {**config, "added_tokens_decoder": {"7": {"content": "<x>", "lstrip": True}}},
                                     "", "", "", "ab <x> ab " * 40])):
        yield name, BORDER.join(part.encode() if isinstance(part, str) else json.dumps(part).encode() for part in parts)


def manifests():
    file = {"name": "shard-00000.h5", "bytes": 100, "sha256": SHA, "samples": 2}
    yield "plain", {"format_version": 1, "image_size": 64, "flip": False, "shard_size": 256, "sample_count": 2, "vae_scaling_factor": 0.18215,
                    "vae_sha256": SHA, "text_encoder_sha256": SHA, "tokenizer_sha256": SHA, "shards": [file],
                    "text": {"name": "text.h5", "bytes": 10, "sha256": SHA, "captions": 2},
                    "skipped": [{"source": "x.gif", "reason": "gif files are not read"}]}
    yield "buckets", {"format_version": 2, "image_size": 64, "flip": False, "shard_size": 256, "sample_count": 2, "vae_scaling_factor": 0.18215,
                      "vae_sha256": SHA, "text_encoder_sha256": SHA, "tokenizer_sha256": SHA,
                      "buckets": {"least_side": 64, "greatest_side": 256, "step": 64, "no_upscale": False},
                      "shards": [{**file, "width": 64, "height": 128, "repeats": 20}],
                      "text": {"name": "text.h5", "bytes": 10, "sha256": SHA, "captions": 2}, "skipped": []}


def shards():
    """A byte for the file, then changes: place (2 bytes), length (1 byte), bytes (shard_bytes_fuzz.cpp)."""
    for which in range(3):
        yield f"unchanged{which}", bytes([which])
        yield f"cut{which}", bytes([which, 0x00, 0x08, 0])
        yield f"changed{which}", bytes([which]) + b"\x60\x00\x02\x01\x02" + b"\x20\x03\x01\xff"


def checkpoints():
    empty = safetensors.numpy.save({})
    import hashlib
    entry = {"bytes": len(empty), "sha256": hashlib.sha256(empty).hexdigest()}
    state_file = {"bytes": 3, "sha256": hashlib.sha256(b"{}\n").hexdigest()}
    manifest = {"format_version": 1, "step": 3, "files": {"adapter.safetensors": entry, "optimizer.safetensors": entry,
                                                          "state.json": state_file}}
    state = {"format": "sdlora run state 1", "step": 3, "consecutive_nonfinite": 0, "loss_scale": 1.0,
             "loss_scale_steps_since_change": 0, "micro_batch_size": 1, "cpu_threads": 1, "cpu_kernels": "aten",
             "data_sha256": SHA, "model_sha256": SHA, "settings": {"seed": "7", "max-steps": "100"}}
    yield "plain", json.dumps(manifest).encode() + BORDER + json.dumps(state).encode()


def captions():
    lines = "\n".join(json.dumps({"file_name": name, "text": f"a picture of {name}"}) for name in ("b.png", "sub/c.png", "./e.png"))
    yield "plain", "\ufeffa fox \n".encode() + BORDER + lines.encode() + BORDER + b'{"file_name": "d.png", "text": "deep"}\n'
    yield "rows", BORDER.join([b"", b"", b"", 'file_name,text\nb.png,"a ""fox"", and\nmore"\nc.png,übel\n'.encode()])


def config_files():
    yield "all", (b'flag = true\nsmall = 3\nwhole = -4\nseed = 0xff\nnumber = 1.10\ntext = "a \\" b"\npath = \'C:\\x\'\n'
                  b'maybe = "m"\nlist = ["a", "b"]\ncolour = "blue"\n')
    yield "headings", b'[Options]\nsmall = 1_000\nnumber = 1e-5\ntext = 2026-01-31\n# remark\n[More.deep]\nwhole = 0o17\n'


def prompt_files():
    yield "lines", b"a lighthouse at night\n\n" + json.dumps(
        {"prompt": "a fox", "negative_prompt": "blurry", "seed": 7, "init_image": "fox.jpg", "output": "sub/fox.png"}).encode() + b"\r\n"


def pictures():
    pillow_heif.register_heif_opener()
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    xmp = '<rdf:Description tiff:Orientation="6"/>'
    texts = PngInfo()
    texts.add_text("Raw profile type exif", f"\nexif\n{len(exif.tobytes()):8}\n{exif.tobytes().hex()}\n", zip=True)
    texts.add_itxt("XML:com.adobe.xmp", xmp, zip=True)
    for name, image, kind, options in (
            ("png", noise, "PNG", {}), ("png_alpha", noise.convert("RGBA"), "PNG", {}), ("png_palette", noise.convert("P"), "PNG", {}),
            ("png_16", Image.fromarray(np.arange(48, dtype=np.uint16).reshape(6, 8)), "PNG", {}),
            ("png_exif", noise, "PNG", {"exif": exif}), ("jpeg", noise, "JPEG", {"exif": exif}),
            ("jpeg_progressive", noise.convert("L"), "JPEG", {"progressive": True}), ("jpeg_cmyk", noise.convert("CMYK"), "JPEG", {}),
            ("webp", noise, "WEBP", {"exif": exif}), ("webp_lossless", noise.convert("RGBA"), "WEBP", {"lossless": True}),
            ("webp_animated", noise, "WEBP", {"save_all": True, "append_images": [noise.transpose(0)], "quality": 20}),
            ("bmp", noise, "BMP", {}), ("bmp_palette", noise.convert("P").quantize(4), "BMP", {}), ("exif", None, None, {}),
            ("png_texts", noise, "PNG", {"pnginfo": texts}), ("png_clear_grey", noise.convert("L"), "PNG", {"transparency": 9}),
            ("gif", noise.quantize(8), "GIF", {}), ("gif_clear", noise.quantize(8), "GIF", {"transparency": 1, "interlace": 0}),
            ("tiff", noise, "TIFF", {"exif": exif}), ("tiff_lzw", noise.convert("RGBA"), "TIFF", {"compression": "tiff_lzw"}),
            ("tiff_fax", noise.convert("1"), "TIFF", {"compression": "group4"}), ("tiff_palette", noise.quantize(8), "TIFF", {"big_endian": True}),
            ("tiff_16", Image.fromarray(np.arange(48, dtype=np.uint16).reshape(6, 8)), "TIFF", {}), ("avif", noise, "AVIF", {}),
            ("heic", noise.resize((64, 64)), "HEIF", {"quality": 10}), ("jxl", noise, "JXL", {"lossless": True})):
        buffer = io.BytesIO()
        if image:
            image.save(buffer, kind, **options)
        yield name, buffer.getvalue() if image else exif.tobytes()


def requests():
    yield "get", b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    yield "two", b"GET /metrics HTTP/1.1\r\n\r\nHEAD /metrics?a=%20 HTTP/1.1\r\nRange: bytes=0-1\r\n\r\n"
    yield "post", b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\nabc"
    yield "chunked", b"PUT /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


def regexes():
    yield "targets", rb"(to_[qkv]|to_out\.0)$" + BORDER + b"mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    yield "slow", b"(a*)*b(?<x>y{1,3}|(?=c))\\1" + BORDER + b"aaaaaaaaaaaaaaaaaaaaaaaac"


def choices():
    """Choices of a FuzzedDataProvider, which takes numbers from the end: what a target makes of these is some file."""
    rng = np.random.default_rng(1)
    for number in range(6):
        yield f"choices{number}", rng.integers(0, 256, 200 * (number + 1), np.uint8).tobytes()


def ldm_names():
    """Small models of one file: a name and a shape a line."""
    unet = {"input_blocks.0.0.weight": "32 4 3 3", "input_blocks.1.0.in_layers.2.weight": "32 32 3 3", "input_blocks.2.0.op.weight": "32 32 3 3",
            "input_blocks.3.0.in_layers.2.weight": "64 32 3 3", "input_blocks.3.1.proj_in.weight": "64 64 1 1",
            "input_blocks.3.1.transformer_blocks.0.norm1.weight": "64", "input_blocks.3.1.transformer_blocks.0.attn2.to_k.weight": "64 48",
            "middle_block.1.transformer_blocks.0.norm1.weight": "64", "output_blocks.0.0.in_layers.2.weight": "64 128 3 3",
            "output_blocks.1.0.in_layers.2.weight": "64 96 3 3", "output_blocks.2.0.in_layers.2.weight": "32 96 3 3",
            "output_blocks.3.0.in_layers.2.weight": "32 64 3 3", "out.2.weight": "4 32 3 3"}
    vae = {"encoder.conv_in.weight": "32 3 3 3", "encoder.down.0.block.0.conv1.weight": "32 32 3 3", "decoder.conv_in.weight": "32 4 3 3",
           "encoder.mid.attn_1.q.weight": "32 32 1 1", "decoder.up.0.block.0.nin_shortcut.weight": "32 64 1 1", "decoder.conv_out.weight": "3 32 3 3"}
    clip = {"embeddings.token_embedding.weight": "99 64", "embeddings.position_embedding.weight": "77 64",
            "encoder.layers.0.layer_norm1.weight": "64", "encoder.layers.0.mlp.fc1.weight": "128 64"}
    open_clip = {"token_embedding.weight": "99 64", "positional_embedding": "77 64", "transformer.resblocks.0.attn.in_proj_weight": "192 64",
                 "transformer.resblocks.0.ln_1.weight": "64", "transformer.resblocks.0.mlp.c_fc.weight": "128 64", "transformer.resblocks.1.ln_1.weight": "64"}

    def lines(parts):
        return "\n".join(f"{prefix}{name} {' '.join(str(2 * int(size)) for size in shape.split())}" for prefix, names in parts for name, shape in names.items()).encode()

    yield "sd1", lines([("model.diffusion_model.", unet), ("first_stage_model.", vae), ("cond_stage_model.transformer.text_model.", clip)])
    yield "sd2", lines([("", unet), ("vae.", vae), ("conditioner.embedders.0.model.", open_clip)])
    yield "vae", lines([("", vae)])
    yield "lora", b"lora_unet_x.lora_down.weight 8 8\nbetas 2000"


MAKERS = {"ldm_names": ldm_names, "safetensors": safetensors_files, "torch_file": torch_files, "adapter_file": choices, "adapter_names": adapter_names,
          "model_config": model_configs, "tokenizer": tokenizers, "manifest": manifests, "shard": choices, "shard_bytes": shards, "checkpoint": checkpoints,
          "captions": captions, "config_file": config_files, "prompt_file": prompt_files, "picture": pictures,
          "metrics_request": requests, "regex": regexes}


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "corpus")
    for target, maker in MAKERS.items():
        folder = root / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in maker():
            content = json.dumps(content).encode() if isinstance(content, dict) else content
            assert len(content) <= 4096, (target, name, len(content))
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
