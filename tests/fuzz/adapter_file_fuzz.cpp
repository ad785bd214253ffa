// An adapter's file with a header that is safetensors, and in it names, shapes, values and metadata of the
// fuzzer's choice; and the descriptions that may lie beside it.
#include <ATen/ATen.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <nlohmann/json.hpp>

#include "checkpoint/safetensors.h"
#include "checkpoint/torch_zip.h"
#include "lora/adapter_fit.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

namespace {

constexpr const char* kBeginnings[] = {
    "lora_unet_", "lora_te_", "unet.",    "text_encoder.",    "",           "base_model.model.",
    "lora_te2_",  "unet:",    "lycoris_", "diffusion_model.", "bundle_emb."};
constexpr const char* kModules[] = {"mid_block.attentions.0.proj_in",
                                    "mid_block_attentions_0_proj_in",
                                    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
                                    "text_model.encoder.layers.0.self_attn.q_proj",
                                    "down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0",
                                    "middle_block.1.proj_in",
                                    "conv_in",
                                    "0"};
constexpr const char* kEnds[] = {
    ".lora_down.weight", ".lora_up.weight", ".alpha",       ".lora_A.weight",
    ".lora_B.weight",    ".lora_A",         ".lora_B",      ".lora.down.weight",
    ".lora.up.weight",   ".hada_w1_a",      ".dora_scale",  ".lora_A.default.weight",
    ".lora_mid.weight",  ".diff",           ".lora_B.bias", "",
    ".hada_w1_b",        ".hada_w2_a",      ".hada_w2_b",   ".hada_t1",
    ".hada_t2",          ".lokr_w1",        ".lokr_w1_a",   ".lokr_w1_b",
    ".lokr_w2",          ".lokr_w2_a",      ".lokr_w2_b",   ".lokr_t2",
    ".a1.weight",        ".a2.weight",      ".b1.weight",   ".b2.weight",
    ".bm.weight",        ".weight",         ".on_input",    ".ia3_l",
    ".diff_b",           ".w_norm",         ".set_weight",  ".scale",
    ".lora_E",           ".oft_blocks",     ":up",          ":down"};
constexpr const char* kKeys[] = {"ss_network_alpha", "lora_adapter_metadata", "format", "ss_network_dim"};
constexpr const char* kBeside[] = {"adapter_config.json", "input.json", "state.json"};
constexpr at::ScalarType kTypes[] = {at::kFloat, at::kHalf, at::kBFloat16, at::kDouble, at::kLong, at::kBool};

std::string name_of_tensor(FuzzedDataProvider& input) {
  if (input.ConsumeIntegralInRange(0, 7) == 0) return input.ConsumeRandomLengthString(300);
  std::string name = input.PickValueInArray(kBeginnings);
  name += input.ConsumeIntegralInRange(0, 7) == 0 ? input.ConsumeRandomLengthString(40)
                                                  : input.PickValueInArray(kModules);
  return name + input.PickValueInArray(kEnds);
}

at::Tensor tensor_of(FuzzedDataProvider& input) {
  std::vector<int64_t> shape(input.ConsumeIntegralInRange<size_t>(0, 5));
  for (int64_t& side : shape) side = input.ConsumeIntegralInRange<int64_t>(0, 5);
  const double value =
      input.ConsumeBool() ? input.ConsumeIntegralInRange(-3, 3) : input.ConsumeFloatingPoint<float>();
  const at::ScalarType type = input.PickValueInArray(kTypes);
  return at::full(shape, type == at::kLong ? input.ConsumeIntegral<int>() : value, at::kDouble).to(type);
}

bool is_utf8(const std::string& text) {
  return nlohmann::json(text)
             .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
             .find("\xEF\xBF\xBD") == std::string::npos;
}

// With weights of the shapes that the fuzzer gives its tensors.
void use(const lora::ModuleChange& change) {
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{4, 4}, {4, 2, 3, 3}, {4}})
    if (change.weight.edit && change.weight.fits(shape)) change.weight.edit(at::ones(shape), 0.5);
  if (change.bias) change.bias(at::ones({change.bias_size}), 0.5);
}

void use(const lora::AdapterFile& adapter) {
  for (const auto& module : adapter.others) use(module.second);
  for (const int64_t kernel_size : {0, 3})
    for (const auto& module : adapter.unet)
      fuzz::expect_orderly([&] {
        lora::check_fit(adapter, module.second,
                        {.network = lora::Network::kUnet,
                         .path = module.first,
                         .in_features = kernel_size == 0 ? 4 : 18,
                         .out_features = 4,
                         .kernel_size = kernel_size,
                         .is_projection = kernel_size == 0,
                         .rank = 1,
                         .alpha = 1});
      });
  const lora::LeftOut left_out = lora::find_left_out(adapter, {}, lora::LoraKind::kLora);
  if (!left_out.empty()) fuzz::judge_message(lora::describe(left_out));
  fuzz::expect_orderly([&] { lora::refuse_unfit(adapter, left_out); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  const bool is_torch = input.ConsumeBool();
  checkpoint::NamedTensors tensors;
  for (int count = input.ConsumeIntegralInRange(0, 8); count > 0; --count) {
    const std::string name = name_of_tensor(input);
    if (is_utf8(name)) tensors[name] = tensor_of(input);
  }
  checkpoint::Metadata metadata;
  for (int count = input.ConsumeIntegralInRange(0, 3); count > 0; --count) {
    const std::string key = input.PickValueInArray(kKeys), value = input.ConsumeRandomLengthString(400);
    if (is_utf8(value)) metadata[key] = value;
  }
  for (const char* name : kBeside) {
    if (input.ConsumeBool())
      fuzz::write_file(name, input.ConsumeRandomLengthString(400));
    else
      fuzz::remove_file(name);
  }
  const std::filesystem::path file = fuzz::folder() / (is_torch ? "input.pt" : "input.safetensors");
  fuzz::expect_orderly([&] {
    if (is_torch)
      checkpoint::write_torch_zip(file, tensors);
    else
      checkpoint::write_safetensors(file, tensors, metadata);
    use(lora::read_adapter(file));
  });
  return 0;
}
