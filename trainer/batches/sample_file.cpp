#include "trainer/batches/sample_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "checkpoint/safetensors.h"
#include "common/error.h"

namespace sdlora::trainer {

std::string sample_file_name(int64_t step, int64_t slot) {
  return fmt::format("step-{:06}.sample-{:06}.safetensors", step, slot);
}

void write_sample_file(const std::filesystem::path& file, const MicroBatch& batch, size_t row,
                       const at::Tensor& prediction) {
  const auto index = static_cast<int64_t>(row);
  checkpoint::NamedTensors tensors = {
      {"sample_index", at::scalar_tensor(batch.sample_indices[row], at::kLong)},
      {"latents", batch.latents[index]},
      {"noise", batch.noise[index]},
      {"timestep", batch.timesteps[index]},
      {"prediction", prediction[index].detach()}};
  if (batch.text_embeddings.defined()) tensors["encoder_hidden_states"] = batch.text_embeddings[index];
  if (batch.token_ids.defined()) tensors["input_ids"] = batch.token_ids[index];
  if (batch.masks.defined()) tensors["mask"] = batch.masks[index];
  if (batch.loss_weights.defined()) tensors["loss_weight"] = batch.loss_weights[index];
  if (batch.added_noise.defined()) tensors["added_noise"] = batch.added_noise[index];
  if (batch.huber_c.defined()) tensors["huber_c"] = batch.huber_c[index];
  if (!batch.dropout_seeds.empty())
    tensors["dropout_seed"] =
        at::scalar_tensor(static_cast<int64_t>(batch.dropout_seeds[row]), at::kLong);  // seeds have 63 bits
  checkpoint::write_safetensors(file, tensors, {{"source", batch.sources[row]}, {"text", batch.texts[row]}});
}

MicroBatch read_sample_file(const std::filesystem::path& file, at::Device device) {
  checkpoint::Metadata metadata;
  const checkpoint::NamedTensors tensors = checkpoint::read_safetensors(file, &metadata);
  const auto tensor = [&](const char* name, int64_t dim, at::ScalarType dtype) {
    const auto found = tensors.find(name);
    if (found == tensors.end() || found->second.dim() != dim || found->second.scalar_type() != dtype)
      throw Error(ExitCode::kBadData,
                  {.what = "this is not a recorded sample",
                   .expected = fmt::format("tensor {} of {} dimensions, {}", name, dim, c10::toString(dtype)),
                   .seen = found == tensors.end() ? "none" : found->second.toString(),
                   .where = file.string(),
                   .advice = "give a folder that the trainer wrote"});
    return found->second;
  };
  const auto optional = [&](const char* name, int64_t dim) {
    return tensors.contains(name) ? tensor(name, dim, at::kFloat).unsqueeze(0).to(device) : at::Tensor();
  };
  const bool has_ids = tensors.contains("input_ids");
  std::vector<uint64_t> dropout_seeds;
  if (tensors.contains("dropout_seed"))
    dropout_seeds.push_back(static_cast<uint64_t>(tensor("dropout_seed", 0, at::kLong).item<int64_t>()));
  return {.slots = {0},
          .sample_indices = {tensor("sample_index", 0, at::kLong).item<int64_t>()},
          .sources = {metadata["source"]},
          .texts = {metadata["text"]},
          .latents = tensor("latents", 3, at::kFloat).unsqueeze(0).to(device),
          .noise = tensor("noise", 3, at::kFloat).unsqueeze(0).to(device),
          .timesteps = tensor("timestep", 0, at::kLong).unsqueeze(0).to(device),
          .text_embeddings =
              has_ids ? at::Tensor() : tensor("encoder_hidden_states", 2, at::kFloat).unsqueeze(0).to(device),
          .token_ids = has_ids ? tensor("input_ids", 1, at::kLong).unsqueeze(0).to(device) : at::Tensor(),
          .masks = optional("mask", 3),
          .loss_weights = optional("loss_weight", 0),
          .added_noise = optional("added_noise", 3),
          .dropout_seeds = dropout_seeds,
          .huber_c = optional("huber_c", 0)};
}

}  // namespace sdlora::trainer
