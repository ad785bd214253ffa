// How fast a cache becomes batches, beside what a GPU would take: reading and checking all shards, and
// drawing the micro-batches of training steps from them (noise, posterior, timesteps, captions), on one
// thread.
//
//   data_rate CACHE [STEPS] [BATCH]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>

#include <ATen/Parallel.h>

#include "data/dataset.h"
#include "trainer/batches/micro_batch.h"

namespace {

constexpr double kGpuSamplesPerSecond = 240;  // an H200 at best, as assumed in bench/growth

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fputs("data_rate CACHE [STEPS] [BATCH]\n", stderr), 64;
  const int64_t steps = argc > 2 ? std::atol(argv[2]) : 100, batch = argc > 3 ? std::atol(argv[3]) : 32;
  at::set_num_threads(1);

  auto start = std::chrono::steady_clock::now();
  const sdlora::data::Dataset dataset(argv[1]);
  const double load_seconds = seconds_since(start);
  const sdlora::data::Sample sample = dataset.sample(0);
  const double embedding_bytes = static_cast<double>(dataset.embedding_of(0).nbytes());
  const double sample_bytes =
      static_cast<double>(sample.latent_mean.nbytes() + sample.latent_std.nbytes()) + embedding_bytes;
  const double latent_bytes = static_cast<double>(dataset.latent_bytes());
  const double caption_bytes = embedding_bytes * static_cast<double>(dataset.captions().size());
  std::printf("read and checked: %.0f MB in %.2f s = %.0f MB/s\n", (latent_bytes + caption_bytes) / 1e6,
              load_seconds, (latent_bytes + caption_bytes) / 1e6 / load_seconds);

  std::vector<int64_t> all(static_cast<size_t>(dataset.sample_count()));
  std::iota(all.begin(), all.end(), int64_t{0});
  sdlora::trainer::MicroBatchMaker maker(
      dataset, all, {.run_seed = 0, .batch_size = batch, .timestep_count = 1000, .micro_batch_size = batch},
      at::kCPU);
  start = std::chrono::steady_clock::now();
  for (int64_t step = 0; step < steps; ++step) maker.make(step, 0, batch);
  const double rate = static_cast<double>(steps * batch) / seconds_since(start);
  std::printf(
      "batches: %.0f samples/s = %.0f MB/s of the cache: %.1f times what a GPU at %.0f samples/s takes\n",
      rate, rate * sample_bytes / 1e6, rate / kGpuSamplesPerSecond, kGpuSamplesPerSecond);
}
