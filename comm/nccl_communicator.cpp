// The communicator is non-blocking: calls return at once and their state is polled, so that a failure of a
// peer can be seen and the communicator aborted at any point (NCCL user guide, "Fault Tolerance").
#include <atomic>
#include <chrono>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include "comm/build_identity.h"
#include "comm/communicator.h"
#include "comm/fail_together.h"
#include "comm/gpu_sharing.h"
#include "common/error.h"

namespace sdlora::comm {
namespace {

// The ranks set up their rings over the network; minutes only where something is blocked.
constexpr std::chrono::seconds kSetupPatience{180};
constexpr std::chrono::seconds kNoLimit{1'000'000'000};

ncclDataType_t nccl_type_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kLong:
      return ncclInt64;
    case at::kFloat:
      return ncclFloat32;
    default:
      return ncclFloat64;
  }
}

class NcclCommunicator : public Communicator {
 public:
  NcclCommunicator(Communicator& world, int device_index, bool is_gpu_shared)
      : world_(world), device_index_(device_index), exceptions_at_start_(std::uncaught_exceptions()) {
    if (is_gpu_shared) prepare_gpu_sharing(world.rank());
    const ncclUniqueId id = share_unique_id();
    fail_together(world_, [&] { join(id); });
  }

  ~NcclCommunicator() override { leave(); }

  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  int rank() const override { return world_.rank(); }

  int size() const override { return world_.size(); }

  int local_rank() const override { return world_.local_rank(); }

  int local_size() const override { return world_.local_size(); }

  void all_reduce_sum(at::Tensor& tensor) override {
    check_reducible(tensor);
    if (!tensor.is_cuda()) return world_.all_reduce_sum(tensor);
    if (tensor.get_device() != device_index_)
      throw Error(ExitCode::kInternal, {.what = "a tensor to reduce is on another GPU than its communicator",
                                        .expected = fmt::format("device {}", device_index_),
                                        .seen = fmt::format("device {}", tensor.get_device()),
                                        .where = place_of(world_)});
    const CollectiveLog::Visit visit(log(), "nccl_all_reduce_sum", static_cast<int64_t>(tensor.nbytes()));
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device_index_));
    const auto stream = c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device_index_));
    void* values = tensor.mutable_data_ptr();
    finish(call([&] {
             return ncclAllReduce(values, values, tensor.numel(), nccl_type_of(tensor), ncclSum, nccl_,
                                  stream);
           }),
           "ncclAllReduce");
  }

  void broadcast(std::string& bytes, int root) override { world_.broadcast(bytes, root); }

  std::vector<std::string> gather(const std::string& text) override { return world_.gather(text); }

  void broadcast_on_host(std::string& bytes) override { world_.broadcast_on_host(bytes); }

  void barrier() override { world_.barrier(); }

  CollectiveLog& log() override { return world_.log(); }

  // Kernels that wait for a peer end, and with them whoever waits for the device. May itself hang: the
  // watchdog does not wait for long.
  void abort() noexcept override {
    is_aborted_ = true;
    const std::lock_guard lock(mutex_);
    if (nccl_ != nullptr) ncclCommAbort(nccl_);
    nccl_ = nullptr;
  }

 private:
  // (all ranks) Rank 0 makes the id under which the ranks find each other.
  ncclUniqueId share_unique_id() {
    ncclUniqueId id{};
    fail_together(world_, [&] {
      check_device();
      if (world_.rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    });
    std::string bytes(id.internal, sizeof id.internal);
    world_.broadcast(bytes, 0);
    std::memcpy(id.internal, bytes.data(), sizeof id.internal);
    return id;
  }

  void check_device() const {
    const auto device_count =
        static_cast<uint8_t>(c10::cuda::device_count());  // 0 also where there is no driver
    if (device_index_ >= 0 && device_index_ < device_count) return;
    throw Error(ExitCode::kMismatch, {.what = "NCCL needs a GPU that this host does not have",
                                      .expected = fmt::format("GPU {}", device_index_),
                                      .seen = fmt::format("{} usable GPUs", device_count),
                                      .where = place_of(world_),
                                      .advice = "use --comm mpi, or fewer ranks on this host"});
  }

  void join(const ncclUniqueId& id) {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device_index_));
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    try {
      finish(ncclCommInitRankConfig(&nccl_, world_.size(), id, world_.rank(), &config),
             "ncclCommInitRankConfig", kSetupPatience);
    } catch (...) {
      leave();  // the destructor does not run for an object that was never whole
      throw;
    }
  }

  // One NCCL call at a time: abort() comes from another thread.
  template <typename Call>
  ncclResult_t call(const Call& nccl_call) {
    const std::lock_guard lock(mutex_);
    return is_aborted_ ? ncclRemoteError : nccl_call();
  }

  // Waits until the host side of a call is done; the device's work goes on. The watchdog ends a rank that
  // waits too long.
  void finish(ncclResult_t result, const char* name, std::chrono::seconds patience = kNoLimit) {
    const auto start = std::chrono::steady_clock::now();
    if (result == ncclSuccess || result == ncclInProgress) {
      result = ncclInProgress;
      while (result == ncclInProgress && std::chrono::steady_clock::now() - start < patience) {
        check(call([&] { return ncclCommGetAsyncError(nccl_, &result); }), "ncclCommGetAsyncError");
        if (result == ncclInProgress) std::this_thread::yield();
      }
    }
    check(result, name);
  }

  void check(ncclResult_t result, const char* name) {
    if (result == ncclSuccess) return;
    has_failed_ = true;
    const std::string reason = result == ncclInProgress ? "no answer from the other ranks in time"
                                                        : std::string(ncclGetErrorString(result));
    throw Error(
        ExitCode::kInternal,
        {.what = fmt::format("{} failed", name),
         .seen = fmt::format("{} ({})", reason, is_aborted_ ? "aborted" : ncclGetLastError(nccl_)),
         .where = fmt::format("{}, GPU {}", place_of(world_), device_index_),
         .advice = "look for the first error of the other ranks; NCCL_DEBUG=INFO says more, --comm mpi "
                   "does without NCCL"});
  }

  // A rank that fails does not wait for its peers, which may never come.
  void leave() noexcept {
    if (nccl_ == nullptr) return;
    if (has_failed_ || std::uncaught_exceptions() > exceptions_at_start_) {
      ncclCommAbort(nccl_);
    } else {
      ncclResult_t state = ncclCommFinalize(nccl_);
      while (state == ncclInProgress && ncclCommGetAsyncError(nccl_, &state) == ncclSuccess)
        std::this_thread::yield();
      if (state == ncclSuccess)
        ncclCommDestroy(nccl_);
      else
        ncclCommAbort(nccl_);
    }
    nccl_ = nullptr;
  }

  Communicator& world_;
  const int device_index_;
  const int exceptions_at_start_;
  ncclComm_t nccl_ = nullptr;
  bool has_failed_ = false;
  std::mutex mutex_;
  std::atomic<bool> is_aborted_ = false;
};

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& world, int device_index,
                                                     bool is_gpu_shared) {
  return std::make_unique<NcclCommunicator>(world, device_index, is_gpu_shared);
}

std::string nccl_version() {
  int version = 0;
  if (ncclGetVersion(&version) != ncclSuccess) return "unknown";
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace sdlora::comm
