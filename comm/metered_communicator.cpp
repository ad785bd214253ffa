#include "comm/metered_communicator.h"

#include <chrono>

namespace sdlora::comm {
namespace {

class MeteredCommunicator final : public Communicator {
 public:
  MeteredCommunicator(Communicator& inner, OnSum on_sum) : inner_(inner), on_sum_(std::move(on_sum)) {}

  int rank() const override { return inner_.rank(); }

  int size() const override { return inner_.size(); }

  int local_rank() const override { return inner_.local_rank(); }

  int local_size() const override { return inner_.local_size(); }

  void all_reduce_sum(at::Tensor& tensor) override {
    const auto start = std::chrono::steady_clock::now();
    inner_.all_reduce_sum(tensor);
    on_sum_(static_cast<int64_t>(tensor.nbytes()),
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }

  void broadcast(std::string& bytes, int root) override { inner_.broadcast(bytes, root); }

  std::vector<std::string> gather(const std::string& text) override { return inner_.gather(text); }

  void broadcast_on_host(std::string& bytes) override { inner_.broadcast_on_host(bytes); }

  void barrier() override { inner_.barrier(); }

  CollectiveLog& log() override { return inner_.log(); }

  void abort() noexcept override { inner_.abort(); }

 private:
  Communicator& inner_;
  OnSum on_sum_;
};

}  // namespace

std::unique_ptr<Communicator> make_metered_communicator(Communicator& inner, OnSum on_sum) {
  return std::make_unique<MeteredCommunicator>(inner, std::move(on_sum));
}

}  // namespace sdlora::comm
