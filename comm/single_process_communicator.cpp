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

  void all_reduce_sum(at::Tensor& tensor) override { check_reducible(tensor); }

  void broadcast(std::string& /*bytes*/, int root) override {
    if (root != 0)
      throw Error(ExitCode::kInternal, Problem{.what = "cannot broadcast from a rank that does not exist",
                                               .expected = "rank 0, the only one",
                                               .seen = fmt::format("rank {}", root)});
  }

  std::vector<std::string> gather(const std::string& text) override { return {text}; }

  void barrier() override {}
};

}  // namespace

std::unique_ptr<Communicator> make_single_process_communicator() {
  return std::make_unique<SingleProcessCommunicator>();
}

}  // namespace sdlora::comm
