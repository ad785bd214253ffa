// The training loop: step, record, save, look, stop.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "comm/communicator.h"
#include "trainer/run/adapter_files.h"
#include "trainer/run/checkpoint_saver.h"
#include "trainer/run/loaded_run.h"
#include "trainer/watching/nonfinite_guard.h"
#include "trainer/watching/observer.h"
#include "trainer/watching/previews.h"
#include "trainer/watching/run_monitor.h"
#include "trainer/watching/straggler_watch.h"

namespace sdlora::trainer {

class Trainer {
 public:
  // (all ranks) Loads everything, resumes where there is a checkpoint, and checks that the ranks agree.
  // Errors reach every rank. `config` gets its "auto" settings resolved.
  // `watchdog` and `world` must outlive it.
  Trainer(TrainConfig& config, comm::Communicator& world, at::Device device, comm::Watchdog& watchdog);
  ~Trainer();

  // Before run(): pictures to draw while it trains. Without them there are none.
  void show_previews(Previews previews) { previews_.emplace(std::move(previews)); }

  at::Device device() const { return device_; }

  // How texts are read: as the captions of the data were.
  const model::ClipReading& reading() const { return loaded_->dataset.reading(); }

  // (rank 0 logs) The run in words: model, data, LoRA, batch arithmetic, precision, devices, hosts, memory.
  void show_startup_table() const;

  // (all ranks) What a dry run tries (rehearsal.h).
  void rehearse();

  // (all ranks) Trains to max_steps and writes the adapter's files. `stop_requested` is asked once per step
  // on every rank; if it is true on any, all ranks leave after the same step with a checkpoint saved:
  // Error(kStopped). Error(kDiverged) after too many non-finite steps in a row; the last good checkpoint
  // stays.
  void run(const std::function<bool()>& stop_requested);

 private:
  struct Saved;  // the checkpoint to go on from

  Saved choose_checkpoint();                                // (all ranks) what --resume asks for, or nothing
  void adopt_settings_of(const Saved& saved);               // (each rank) where ours are "auto"
  void load_run();                                          // (all ranks)
  void share_prepared_weights();                            // (all ranks)
  void restore(const Saved& saved);                         // (all ranks)
  void begin_from_adapter();                                // (each rank) what --init-adapter names
  void open_nccl();                                         // (all ranks)
  void save_checkpoint(RunMonitor& monitor, bool is_last);  // (all ranks) rank 0 writes
  void write_adapters();                                    // (all ranks) rank 0 writes
  checkpoint::NamedTensors adapter_with(const at::Tensor& parameters) const;
  void train(Observer& observer, RunMonitor& monitor, comm::Communicator& sums_comm,
             const std::function<bool()>& stop_requested);  // (all ranks)
  RunState run_state() const;
  std::vector<monitoring::TableRow> startup_rows() const;

  TrainConfig& config_;
  comm::Communicator& world_;
  at::Device device_;
  comm::Watchdog& watchdog_;
  std::unique_ptr<LoadedRun> loaded_;
  std::unique_ptr<comm::Communicator> nccl_;  // where gradients go over NCCL
  std::string model_hash_;
  std::string init_adapter_hash_;  // empty: none
  std::string text_model_hash_;    // empty: no text is encoded
  std::string hosts_;
  std::optional<Previews> previews_;
  std::optional<AdapterFiles> adapter_files_;  // of rank 0, while it trains
  int64_t step_ = 0;                           // steps done
  NonfiniteGuard guard_;
  CheckpointSaver saver_;
  StragglerWatch straggler_watch_;
  int64_t saved_step_ = -1;  // of the newest checkpoint
};

}  // namespace sdlora::trainer
