"""The adapter's file for other programs, at the end and in every checkpoint: kohya's names and metadata, the hash that AUTOMATIC1111 and Civitai know
it by, the same tensors on any number of ranks; diffusers and LyCORIS draw with it what we draw; AUTOMATIC1111 and ComfyUI find every tensor."""
import hashlib
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from lycoris import create_lycoris_from_weights
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs
from ldm_layout import unet_to_ldm
from model_sizes import SIZES
from other_programs import automatic1111_module, comfyui_modules

ALL_OF_IT = {"lora_targets": "full", "train_text_encoder": None, "lora_rank": 4, "lora_alpha": 3, "lora_conv_rank": 2, "learning_rate": "1e-2"}


def metadata_of(file):
    with safe_open(file, "pt") as opened:
        return opened.metadata()


def data_hash(file):
    """SHA-256 of what stands behind the header."""
    data = file.read_bytes()
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little"):]).hexdigest()


class TheSharedFile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-shared-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)

    def train(self, name, ranks=None, **options):
        done = programs.train(self.directory / name, ranks=ranks, **options)
        self.assertEqual(done.exit_code, 0, done.output)
        return self.directory / name

    def unet(self):
        return UNet2DConditionModel.from_pretrained(programs.TINY_MODEL, subfolder="unet")

    def text_encoder(self):
        return CLIPTextModel.from_pretrained(programs.TINY_MODEL, subfolder="text_encoder")

    def inputs(self):
        torch.manual_seed(0)
        return {"unet.sample": torch.randn(2, 4, 8, 8), "unet.timestep": torch.tensor([10, 900]),
                "unet.encoder_hidden_states": torch.randn(2, 77, self.unet().config.cross_attention_dim),
                "text.input_ids": torch.randint(0, 1000, (2, 77))}

    def ours(self, file):
        """What model_probe makes of the inputs with it."""
        save_file(self.inputs(), self.directory / "in.safetensors")
        done = programs.run("model_probe", "--model", programs.TINY_MODEL, "--inputs", self.directory / "in.safetensors",
                            "--outputs", self.directory / "out.safetensors", "--lora", file)
        self.assertEqual(done.exit_code, 0, done.output)
        return load_file(self.directory / "out.safetensors")

    def compare(self, who, ours, unet, text_encoder):
        sample, timestep, states, ids = self.inputs().values()
        with torch.no_grad():
            theirs = {"unet.out": unet(sample, timestep, states).sample, "text.hidden": text_encoder(ids).last_hidden_state}
            without = {"unet.out": self.unet()(sample, timestep, states).sample, "text.hidden": self.text_encoder()(ids).last_hidden_state}
        for name, reference in theirs.items():
            error = ((ours[name] - reference).norm() / reference.norm()).item()
            moved = ((without[name] - reference).norm() / reference.norm()).item()
            print(f"{who}, {name}: relative error {error:.2e}; the adapter moves it by {moved:.2e}")
            self.assertLess(error, 1e-5)
            self.assertGreater(moved, 1e-3)

    def with_diffusers(self, file):
        parts = {name: None for name in ("vae", "tokenizer", "scheduler", "safety_checker", "feature_extractor")}
        pipeline = StableDiffusionPipeline(unet=self.unet(), text_encoder=self.text_encoder(), **parts, requires_safety_checker=False)
        pipeline.load_lora_weights(file.parent, weight_name=file.name)
        return pipeline.unet, pipeline.text_encoder

    def with_lycoris(self, file):
        unet, text_encoder, tensors = self.unet(), self.text_encoder(), load_file(file)
        named = text_encoder
        if not hasattr(text_encoder, "text_model"):  # transformers 5: the names that files have are those of before
            named = torch.nn.Module()
            named.text_model = text_encoder
        for prefix, model in ("lora_unet_", unet), ("lora_te_", named):
            # LyCORIS's loader for one model calls it "lycoris".
            of_model = {"lycoris_" + name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            network, _ = create_lycoris_from_weights(1.0, None, model, of_model)
            self.assertEqual(len(network.loras), len({name.split(".")[0] for name in of_model}))
            network.apply_to()
            network.eval()
        return unet, text_encoder

    def test_is_read_by_diffusers_and_lycoris_as_by_us(self):
        run = self.train("named", output_name="ink", save_dtype="float", **ALL_OF_IT)
        ours = self.ours(run / "lora_weights.pt")
        for name, tensor in self.ours(run / "ink.safetensors").items():
            self.assertTrue(torch.equal(tensor, ours[name]), name)
        self.compare("diffusers", ours, *self.with_diffusers(run / "ink.safetensors"))
        self.compare("LyCORIS", ours, *self.with_lycoris(run / "ink.safetensors"))

    def test_in_half_precision_is_read_by_diffusers_and_lycoris_as_by_us(self):
        run = self.train("half", **ALL_OF_IT)
        file = run / "lora_weights.safetensors"
        self.assertEqual({tensor.dtype for tensor in load_file(file).values()}, {torch.float16})
        self.compare("diffusers, fp16", self.ours(file), *self.with_diffusers(file))
        self.compare("LyCORIS, fp16", self.ours(file), *self.with_lycoris(file))

    def test_of_dora_is_read_by_lycoris_as_by_us(self):
        run = self.train("dora", lora_kind="dora", save_dtype="float", **ALL_OF_IT)
        self.compare("LyCORIS, DoRA", self.ours(run / "lora_weights.pt"), *self.with_lycoris(run / "lora_weights.safetensors"))

    def test_lies_in_every_checkpoint_and_has_the_same_tensors_on_any_number_of_ranks(self):
        names = ["ink.safetensors", "ink_ema.safetensors", "checkpoint-step-2/ink-step00000002.safetensors", "checkpoint-step-4/ink-step00000004.safetensors"]
        options = {"output_name": "ink", "max_steps": 4, "checkpoint_every": 2, "ema_decay": 0.9}
        one, two = self.train("one", **options), self.train("two", ranks=2, **options)
        for name in names:
            said, of_two = metadata_of(one / name), metadata_of(two / name)
            self.assertEqual(said["sshs_model_hash"], data_hash(one / name))
            self.assertEqual(said["sshs_model_hash"], of_two["sshs_model_hash"], name)
            timed = {key for key in said if said[key] != of_two[key]}
            self.assertLessEqual(timed, {"ss_training_started_at", "ss_training_finished_at", "modelspec.date", "ss_session_id", "sshs_legacy_hash"})
        self.assertEqual([metadata_of(one / name)["ss_steps"] for name in names], ["4", "4", "2", "4"])
        shutil.rmtree(one / "checkpoint-step-4")
        (one / "ink.safetensors").unlink()
        self.train("one", **options)  # goes on from step 2
        self.assertEqual(data_hash(one / "ink.safetensors"), data_hash(two / "ink.safetensors"))

    def test_says_what_it_was_trained_on_and_how(self):
        run = self.train("told", lora_targets="full", lora_conv_alpha=2, lora_rank=4, seed=7)
        said = metadata_of(run / "lora_weights.safetensors")
        self.assertEqual(said["ss_output_name"], "told")
        self.assertEqual((said["ss_network_dim"], said["ss_network_alpha"], said["ss_network_module"]), ("4", "1.0", "networks.lora"))
        self.assertEqual(json.loads(said["ss_network_args"]), {"conv_dim": "4", "conv_alpha": "2.0"})
        self.assertEqual(said["ss_seed"], "7")
        self.assertEqual(said["ss_sd_model_name"], programs.TINY_MODEL.name)
        folders = json.loads(said["ss_dataset_dirs"])
        self.assertEqual(sum(folder["img_count"] for folder in folders.values()), int(said["ss_num_train_images"]))
        self.assertEqual(set(json.loads(said["ss_tag_frequency"])), set(folders))
        self.assertTrue(all(json.loads(said[name]) for name in said if said[name].startswith("{") and "reg" not in name))

        silent = self.train("silent", no_metadata=None)
        self.assertEqual(set(metadata_of(silent / "lora_weights.safetensors")), {
            "format", "ss_v2", "ss_base_model_version", "ss_network_module", "ss_network_dim", "ss_network_alpha", "modelspec.architecture",
            "sshs_model_hash", "sshs_legacy_hash"})

    def test_of_stable_diffusion_has_no_tensor_that_automatic1111_or_comfyui_would_not_find(self):
        with torch.device("meta"):
            unet = UNet2DConditionModel.from_config(SIZES["full"]["unet"]).state_dict()
        ldm = {"diffusion_model_" + name.removesuffix(".weight").replace(".", "_") for name in unet_to_ldm(unet, SIZES["full"]["unet"])}
        parts = ("mlp.fc1", "mlp.fc2", "self_attn.k_proj", "self_attn.q_proj", "self_attn.v_proj", "self_attn.out_proj")
        text = [f"text_model.encoder.layers.{layer}.{part}" for layer in range(12) for part in parts]
        trained = {}
        for name in [name for name in unet if name.endswith(".weight") and unet[name].dim() in (2, 4)]:
            out, inner, *kernel = unet[name].shape
            trained[name.removesuffix("weight") + "lora_A"] = torch.ones(1, inner, *kernel)
            trained[name.removesuffix("weight") + "lora_B"] = torch.ones(out, 1, *[1] * len(kernel))
        for path in text:
            trained |= {path + ".lora_A": torch.ones(1, 3072 if path.endswith("fc2") else 768),
                        path + ".lora_B": torch.ones(3072 if path.endswith("fc1") else 768, 1)}
        torch.save(trained, self.directory / "whole.pt")
        done = programs.run("adapter", "convert", self.directory / "whole.pt", "--output", self.directory / "whole.safetensors")
        self.assertEqual(done.exit_code, 0, done.output)
        modules = {name.split(".")[0] for name in load_file(self.directory / "whole.safetensors")}
        self.assertEqual(len(modules), len(trained) // 2)
        table = ldm | {"transformer_" + path.replace(".", "_") for path in text}
        self.assertEqual({module for module in modules if automatic1111_module(module) not in table}, set())
        self.assertEqual(modules - comfyui_modules(unet, clip_layer_count=12), set())


if __name__ == "__main__":
    unittest.main(verbosity=2)
