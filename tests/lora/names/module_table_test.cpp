#include "lora/names/module_table.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "checkpoint/safetensors.h"
#include "lora/names/flat_name.h"
#include "model/model_source.h"

namespace sdlora::lora {
namespace {

using model::ModelPart;

struct Tiny {
  std::filesystem::path folder = std::getenv("SDLORA_TINY_MODEL");
  model::ModelSource source{folder};
  model::UNetConfig unet = model::UNetConfig::read(source.config_of(ModelPart::kUnet));
  model::ClipTextConfig text = model::ClipTextConfig::read(source.config_of(ModelPart::kTextEncoder));
  ModuleTable table{unet, text};
};

// Of the table, and of the model's files: every weight with its shape.
TEST(ModuleTable, HasExactlyTheModelsWeightsAndTheirShapes) {
  const Tiny tiny;
  std::map<std::string, std::vector<int64_t>> of_table, of_files;
  for (const ModelModule& module : tiny.table.modules()) of_table[module.path + ".weight"] = module.shape;
  for (const char* name : {"unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"}) {
    const checkpoint::SafetensorsFile file(tiny.folder / name);
    for (const auto& [tensor, info] : file.tensors())
      if (tensor.ends_with(".weight")) of_files[tensor] = info.shape;
  }
  EXPECT_EQ(of_table, of_files);
}

TEST(ModuleTable, HasAllModulesOfStableDiffusion15) {
  const ModuleTable table = ModuleTable::standard(/*is_sd2=*/false);
  EXPECT_EQ(modules_of(standard_unet(false)).size(), 391);         // 686 tensors; 96 modules without bias
  EXPECT_EQ(modules_of(standard_text_encoder(false)).size(), 99);  // 196 tensors; both embeddings without
  EXPECT_EQ(table.context_channels(), 768);
  EXPECT_EQ(table.find("up_blocks_3_attentions_2_transformer_blocks_0_attn2_to_k")->shape,
            (std::vector<int64_t>{320, 768}));
  EXPECT_EQ(table.find("encoder_layers_11_mlp_fc1")->shape, (std::vector<int64_t>{3072, 768}));
  EXPECT_EQ(table.find("encoder_layers_12_mlp_fc1"), nullptr);
  EXPECT_NE(ModuleTable::standard(/*is_sd2=*/true).find("encoder_layers_22_mlp_fc1"), nullptr);
}

TEST(ModuleTable, CountsTheBlocksOfTheOriginalUnet) {
  const ModuleTable table = ModuleTable::standard(/*is_sd2=*/false);
  for (const auto& [ldm, path] : std::vector<std::pair<std::string, std::string>>{
           {"input_blocks.0.0", "conv_in"},
           {"input_blocks.4.0.skip_connection", "down_blocks.1.resnets.0.conv_shortcut"},
           {"input_blocks.9.0.op", "down_blocks.2.downsamplers.0.conv"},
           {"input_blocks.11.0.out_layers.3", "down_blocks.3.resnets.1.conv2"},
           {"middle_block.1.proj_in", "mid_block.attentions.0.proj_in"},
           {"middle_block.2.emb_layers.1", "mid_block.resnets.1.time_emb_proj"},
           {"output_blocks.2.1.conv", "up_blocks.0.upsamplers.0.conv"},
           {"output_blocks.8.2.conv", "up_blocks.2.upsamplers.0.conv"},
           {"output_blocks.11.1.transformer_blocks.0.ff.net.2",
            "up_blocks.3.attentions.2.transformer_blocks.0.ff.net.2"},
           {"time_embed.2", "time_embedding.linear_2"},
           {"out.2", "conv_out"}}) {
    const ModelModule* found = table.find(flat_name(ldm));
    ASSERT_NE(found, nullptr) << ldm;
    EXPECT_EQ(found->path, path);
  }
}

TEST(ModuleTable, CountsBlocksOfDifferentDepthsWithHolesInTheAttention) {
  model::UNetConfig unet = standard_unet(false);  // 1, 3, 2, 2 resnets a level
  unet.levels[0].resnet_count = 1;
  unet.levels[1].resnet_count = 3;
  unet.levels[1].has_attention_down = unet.levels[1].has_attention_up = false;
  const ModuleTable table(unet, standard_text_encoder(false));
  EXPECT_EQ(table.find("input_blocks_2_0_op")->path, "down_blocks.0.downsamplers.0.conv");
  EXPECT_EQ(table.find("input_blocks_6_0_op")->path, "down_blocks.1.downsamplers.0.conv");
  EXPECT_EQ(table.find("output_blocks_9_1_conv")->path, "up_blocks.2.upsamplers.0.conv");
  EXPECT_EQ(table.find("output_blocks_11_0_in_layers_2")->path, "up_blocks.3.resnets.1.conv1");
}

}  // namespace
}  // namespace sdlora::lora
