#include <limits>
#include <numeric>

#include <mpi.h>

#include "comm/communicator.h"
#include "comm/message_parts.h"
#include "comm/mpi_call.h"
#include "comm/mpi_group.h"
#include "comm/mpi_host_progress.h"
#include "common/error.h"

namespace sdlora::comm {
namespace {

constexpr int64_t kMaxCount = std::numeric_limits<int>::max();

MPI_Datatype mpi_type_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kLong:
      return MPI_INT64_T;
    case at::kFloat:
      return MPI_FLOAT;
    default:
      return MPI_DOUBLE;
  }
}

class MpiCommunicator : public Communicator {
 public:
  MpiCommunicator() : host_progress_(host_), log_(world_.rank(), host_progress_.ranks_of(world_)) {}

  int rank() const override { return world_.rank(); }

  int size() const override { return world_.size(); }

  int local_rank() const override { return host_.rank(); }

  int local_size() const override { return host_.size(); }

  void all_reduce_sum(at::Tensor& tensor) override {
    check_reducible(tensor);
    if (!tensor.is_cpu()) {  // Debian's Open MPI reads host memory only
      at::Tensor on_host = tensor.cpu();
      all_reduce_sum(on_host);
      tensor.copy_(on_host);
      return;
    }
    const CollectiveLog::Visit visit(log_, "all_reduce_sum", static_cast<int64_t>(tensor.nbytes()));
    char* bytes = static_cast<char*>(tensor.mutable_data_ptr());
    const auto element_bytes = static_cast<int64_t>(tensor.element_size());
    for_each_part(tensor.numel(), kMaxCount, [&](int64_t first, int64_t count) {
      check_mpi(MPI_Allreduce(MPI_IN_PLACE, bytes + first * element_bytes, static_cast<int>(count),
                              mpi_type_of(tensor), MPI_SUM, world_.get()),
                "MPI_Allreduce");
    });
  }

  void broadcast(std::string& bytes, int root) override {
    const CollectiveLog::Visit visit(log_, "broadcast", static_cast<int64_t>(bytes.size()));
    broadcast_over(world_, bytes, root);
  }

  std::vector<std::string> gather(const std::string& text) override {
    const CollectiveLog::Visit visit(log_, "gather", static_cast<int64_t>(text.size()));
    const std::vector<int64_t> byte_counts = gather_sizes(static_cast<int64_t>(text.size()));
    const int64_t total = std::accumulate(byte_counts.begin(), byte_counts.end(), int64_t{0});
    return total <= kMaxCount ? gather_at_once(text, {byte_counts.begin(), byte_counts.end()})
                              : gather_one_by_one(text);
  }

  void broadcast_on_host(std::string& bytes) override {
    const CollectiveLog::Visit visit(log_, "broadcast_on_host", static_cast<int64_t>(bytes.size()));
    broadcast_over(host_, bytes, /*root=*/0);
  }

  void barrier() override {
    const CollectiveLog::Visit visit(log_, "barrier", 0);
    check_mpi(MPI_Barrier(world_.get()), "MPI_Barrier");
  }

  CollectiveLog& log() override { return log_; }

 private:
  std::vector<int64_t> gather_sizes(int64_t own) const {
    std::vector<int64_t> byte_counts(static_cast<size_t>(size()));
    check_mpi(MPI_Allgather(&own, 1, MPI_INT64_T, byte_counts.data(), 1, MPI_INT64_T, world_.get()),
              "MPI_Allgather");
    return byte_counts;
  }

  std::vector<std::string> gather_at_once(const std::string& text,
                                          const std::vector<int>& byte_counts) const {
    std::vector<int> offsets(byte_counts.size(), 0);
    std::partial_sum(byte_counts.begin(), byte_counts.end() - 1, offsets.begin() + 1);
    std::string all(static_cast<size_t>(offsets.back() + byte_counts.back()), '\0');
    check_mpi(MPI_Allgatherv(text.data(), static_cast<int>(text.size()), MPI_BYTE, all.data(),
                             byte_counts.data(), offsets.data(), MPI_BYTE, world_.get()),
              "MPI_Allgatherv");
    std::vector<std::string> texts;
    for (size_t rank = 0; rank < byte_counts.size(); ++rank)
      texts.push_back(all.substr(static_cast<size_t>(offsets[rank]), static_cast<size_t>(byte_counts[rank])));
    return texts;
  }

  std::vector<std::string> gather_one_by_one(const std::string& text) const {
    std::vector<std::string> texts(static_cast<size_t>(size()));
    texts[static_cast<size_t>(rank())] = text;
    for (int root = 0; root < size(); ++root) broadcast_over(world_, texts[static_cast<size_t>(root)], root);
    return texts;
  }

  static void broadcast_over(const MpiGroup& group, std::string& bytes, int root) {
    auto byte_count = static_cast<int64_t>(bytes.size());
    check_mpi(MPI_Bcast(&byte_count, 1, MPI_INT64_T, root, group.get()), "MPI_Bcast");
    bytes.resize(static_cast<size_t>(byte_count));
    for_each_part(byte_count, kMaxCount, [&](int64_t first, int64_t count) {
      check_mpi(MPI_Bcast(bytes.data() + first, static_cast<int>(count), MPI_BYTE, root, group.get()),
                "MPI_Bcast");
    });
  }

  MpiGroup world_{MpiGroup::of_world()};
  MpiGroup host_{MpiGroup::of_host(world_)};
  MpiHostProgress host_progress_;
  CollectiveLog log_;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator() {
  return std::make_unique<MpiCommunicator>();
}

}  // namespace sdlora::comm
