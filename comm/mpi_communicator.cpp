#include <limits>

#include <mpi.h>

#include "comm/communicator.h"
#include "comm/message_parts.h"
#include "comm/mpi_call.h"
#include "common/error.h"

namespace sdlora::comm {
namespace {

constexpr int64_t kMaxCount = std::numeric_limits<int>::max();

// A communicator of MPI's that is freed with its owner.
class MpiGroup {
 public:
  MpiGroup() { check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &handle_), "MPI_Comm_dup"); }

  ~MpiGroup() { MPI_Comm_free(&handle_); }

  MpiGroup(const MpiGroup&) = delete;
  MpiGroup& operator=(const MpiGroup&) = delete;

  MPI_Comm get() const { return handle_; }

 private:
  MPI_Comm handle_ = MPI_COMM_NULL;
};

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
  MpiCommunicator() {
    check_mpi(MPI_Comm_set_errhandler(world_.get(), MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check_mpi(MPI_Comm_rank(world_.get(), &rank_), "MPI_Comm_rank");
    check_mpi(MPI_Comm_size(world_.get(), &size_), "MPI_Comm_size");
    MPI_Comm host = MPI_COMM_NULL;
    check_mpi(MPI_Comm_split_type(world_.get(), MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host),
              "MPI_Comm_split_type");
    check_mpi(MPI_Comm_rank(host, &local_rank_), "MPI_Comm_rank");
    check_mpi(MPI_Comm_size(host, &local_size_), "MPI_Comm_size");
    check_mpi(MPI_Comm_free(&host), "MPI_Comm_free");
  }

  int rank() const override { return rank_; }

  int size() const override { return size_; }

  int local_rank() const override { return local_rank_; }

  int local_size() const override { return local_size_; }

  void all_reduce_sum(at::Tensor& tensor) override {
    check_reducible(tensor);
    if (!tensor.is_cpu()) {  // Debian's Open MPI reads host memory only
      at::Tensor on_host = tensor.cpu();
      all_reduce_sum(on_host);
      tensor.copy_(on_host);
      return;
    }
    char* bytes = static_cast<char*>(tensor.mutable_data_ptr());
    const auto element_bytes = static_cast<int64_t>(tensor.element_size());
    for_each_part(tensor.numel(), kMaxCount, [&](int64_t first, int64_t count) {
      check_mpi(MPI_Allreduce(MPI_IN_PLACE, bytes + first * element_bytes, static_cast<int>(count),
                              mpi_type_of(tensor), MPI_SUM, world_.get()),
                "MPI_Allreduce");
    });
  }

  void broadcast(std::string& bytes, int root) override {
    auto byte_count = static_cast<int64_t>(bytes.size());
    check_mpi(MPI_Bcast(&byte_count, 1, MPI_INT64_T, root, world_.get()), "MPI_Bcast");
    bytes.resize(byte_count);
    for_each_part(byte_count, kMaxCount, [&](int64_t first, int64_t count) {
      check_mpi(MPI_Bcast(bytes.data() + first, static_cast<int>(count), MPI_BYTE, root, world_.get()),
                "MPI_Bcast");
    });
  }

  std::vector<std::string> gather(const std::string& text) override {
    std::vector<std::string> texts(size_);
    texts[rank_] = text;
    for (int root = 0; root < size_; ++root) broadcast(texts[root], root);
    return texts;
  }

  void barrier() override { check_mpi(MPI_Barrier(world_.get()), "MPI_Barrier"); }

 private:
  MpiGroup world_;
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  int local_size_ = 1;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator() {
  return std::make_unique<MpiCommunicator>();
}

}  // namespace sdlora::comm
