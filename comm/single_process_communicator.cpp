#include "comm/communicator.h"
#include "common/error.h"

namespace sdlora::comm {
namespace {

class SingleProcessCommunicator : public Communicator {
 public:
  int rank() const override { return 0; }

  int size() const override { return 1; }

  int local_rank() const override { return 0; }

  int local_size() const override { return 1; }

  void all_reduce_sum(at::Tensor& tensor) override {
    check_reducible(tensor);
    const CollectiveLog::Visit visit(log_, "all_reduce_sum", static_cast<int64_t>(tensor.nbytes()));
  }

  void broadcast(std::string& bytes, int root) override {
    const CollectiveLog::Visit visit(log_, "broadcast", static_cast<int64_t>(bytes.size()));
    if (root != 0)
      throw Error(ExitCode::kInternal, {.what = "cannot broadcast from a rank that does not exist",
                                        .expected = "rank 0, the only one",
                                        .seen = fmt::format("rank {}", root)});
  }

  std::vector<std::string> gather(const std::string& text) override {
    const CollectiveLog::Visit visit(log_, "gather", static_cast<int64_t>(text.size()));
    return {text};
  }

  void broadcast_on_host(std::string& bytes) override {
    const CollectiveLog::Visit visit(log_, "broadcast_on_host", static_cast<int64_t>(bytes.size()));
  }

  void barrier() override { const CollectiveLog::Visit visit(log_, "barrier", 0); }

  CollectiveLog& log() override { return log_; }

 private:
  CollectiveLog log_;
};

}  // namespace

std::unique_ptr<Communicator> make_single_process_communicator() {
  return std::make_unique<SingleProcessCommunicator>();
}

}  // namespace sdlora::comm
