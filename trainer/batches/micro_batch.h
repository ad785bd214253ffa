// The inputs of one forward: every random draw of a slot of the global batch, whichever rank makes it.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/captions/caption_rules.h"
#include "data/dataset.h"
#include "trainer/batches/loss_by_timestep.h"
#include "trainer/batches/sample_order.h"
#include "trainer/batches/text_embeddings.h"
#include "trainer/batches/timestep_draw.h"
#include "trainer/options/noise_options.h"

namespace sdlora::trainer {

struct MicroBatch {
  std::vector<int64_t> slots;           // [B] positions in the global batch
  std::vector<int64_t> sample_indices;  // [B] in the data set
  std::vector<std::string> sources;     // [B] names of the pictures
  std::vector<std::string> texts;       // [B] what the embeddings are of
  at::Tensor latents;                   // [B, 4, h, w] f32: (mean + std · ε) × VAE scaling factor
  at::Tensor noise;                     // [B, 4, h, w] f32, what is predicted
  at::Tensor timesteps;                 // [B] i64
  at::Tensor text_embeddings = {};      // [B, L, C] f32; undefined where the text encoder is trained
  at::Tensor token_ids = {};            // [B, L] i64, of that alone
  at::Tensor masks = {};                // [B, 1, h, w] f32, weights of the cells; undefined: all count alike
  at::Tensor loss_weights = {};         // [B] f32, weights of the samples; undefined: all count alike
  at::Tensor added_noise = {};  // [B, 4, h, w] f32, what the latents are corrupted with; undefined: noise
  std::vector<uint64_t> dropout_seeds = {};  // [B] (lora/branch_dropout.h); none: nothing is dropped
  at::Tensor huber_c = {};  // [B] f32, where a Huber loss becomes straight; undefined: none is asked for
};

struct DrawSettings {
  uint64_t run_seed;
  int64_t batch_size;      // samples per optimiser step over all ranks
  int64_t timestep_count;  // of the model's schedule
  TimestepOptions timesteps = {};
  NoiseOptions noise = {};
  data::CaptionRules captions = {};  // by which the texts are made
  int64_t max_steps = 1;             // of the run, for these
  int64_t micro_batch_size = 1;      // for the order of samples of several sizes
  double prior_loss_weight = 1;      // of regularisation pictures
  LossByTimestep loss = {};
  bool drops_out = false;                                     // parts of the adapter
  std::optional<double> weight_outside_masks = std::nullopt;  // nothing: masks do not count
};

// Which sample stands in a slot, and with which text.
struct DrawnText {
  int64_t sample_index;  // in the data set
  size_t caption;        // of which it is made: a place in the data set's captions
  std::string text;
};

// [1, h, w] f32: what of a sample counts. `weight_outside`: of what its mask leaves out, at least.
at::Tensor mask_weights(const data::Sample& sample, double weight_outside);

class MicroBatchMaker {
 public:
  // Trains on `samples`, indices in `dataset`, each as often in an epoch as it is repeated. `trained_reader`:
  // where the text encoder is trained, else null. `embeddings` of new texts: needed where the captions make
  // some and it is not, else null. Both must outlive this.
  MicroBatchMaker(const data::Dataset& dataset, const std::vector<int64_t>& samples, DrawSettings draws,
                  at::Device device, TextEmbeddings* embeddings = nullptr,
                  const model::ClipTextReader* trained_reader = nullptr);

  // Slots first_slot … first_slot+count-1 of the global batch of the step after `steps_done` steps, on the
  // device. Where samples differ in size these must be a micro-batch.
  MicroBatch make(int64_t steps_done, int64_t first_slot, int64_t count);

  // The same, kept until make() asks for it, so that a GPU computes while the host draws for the next step.
  void draw_ahead(int64_t steps_done, int64_t first_slot, int64_t count);

  // "64x256, 256x64": sizes of which no micro-batch is filled in the first `steps` steps, so that none of
  // their samples is trained. Empty where there is none such.
  std::string sizes_never_trained(int64_t steps) const;

  // The text of one slot alone. Of several captions one is chosen first, by randint(their number) of the
  // generator that draw_caption() goes on with.
  DrawnText draw_text(int64_t steps_done, int64_t slot);

 private:
  at::Tensor embedding_of(const DrawnText& drawn);
  int64_t mirrored_by_chance(int64_t picture, int64_t steps_done, int64_t slot) const;
  float loss_weight_of(int64_t sample, size_t timestep) const;
  MicroBatch draw(int64_t steps_done, int64_t first_slot, int64_t count);

  const data::Dataset& dataset_;
  SampleOrder sample_order_;
  DrawSettings draws_;
  TimestepDraw timestep_draw_;
  at::Device device_;
  TextEmbeddings* embeddings_;
  const model::ClipTextReader* trained_reader_;
  std::vector<data::CaptionRules> rules_;  // by subset
  bool weighs_samples_;
  std::map<std::array<int64_t, 3>, MicroBatch> ahead_;  // by steps done, first slot, count
};

}  // namespace sdlora::trainer
