// A world of several ranks, of which this process is one and the test plays the others.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.h"

namespace sdlora::trainer {

class PlayedWorld : public comm::Communicator {
 public:
  PlayedWorld(int rank, int size) : rank_(rank), size_(size) {}

  // What the others do in a collective; here, as if they had nothing to add and said the same.
  std::function<void(at::Tensor& own)> add_the_others = [](at::Tensor&) {};
  std::function<std::vector<std::string>(const std::string& own)> say_all = [this](const std::string& own) {
    return std::vector<std::string>(static_cast<size_t>(size_), own);
  };

  std::optional<std::string> broadcast_of_root;  // none: what this rank would say

  int rank() const override { return rank_; }

  int size() const override { return size_; }

  int local_rank() const override { return rank_; }

  int local_size() const override { return size_; }

  void all_reduce_sum(at::Tensor& tensor) override { add_the_others(tensor); }

  void broadcast(std::string& bytes, int root) override {
    if (root != rank_ && broadcast_of_root) bytes = *broadcast_of_root;
  }

  std::vector<std::string> gather(const std::string& text) override { return say_all(text); }

  void broadcast_on_host(std::string&) override {}

  void barrier() override {}

  comm::CollectiveLog& log() override { return log_; }

 private:
  int rank_, size_;
  comm::CollectiveLog log_;
};

}  // namespace sdlora::trainer
