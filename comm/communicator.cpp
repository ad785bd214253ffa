#include "comm/communicator.h"

#include <array>

#include <limits.h>
#include <unistd.h>

#include "common/error.h"
#include "common/host.h"

namespace sdlora::comm {

void check_reducible(const at::Tensor& tensor) {
  const bool is_known_type =
      tensor.defined() && (tensor.scalar_type() == at::kLong || tensor.scalar_type() == at::kFloat ||
                           tensor.scalar_type() == at::kDouble);
  if (is_known_type && tensor.is_contiguous()) return;
  throw Error(ExitCode::kInternal,
              {.what = "a tensor cannot be summed over the ranks",
               .expected = "a contiguous int64, float32 or float64 tensor",
               .seen = tensor.defined() ? fmt::format("{} {}, {}", c10::toString(tensor.scalar_type()),
                                                      c10::str(tensor.sizes()),
                                                      tensor.is_contiguous() ? "contiguous" : "strided")
                                        : "no tensor"});
}

std::string place_of(int rank, int size) {
  return fmt::format("rank {} of {} on host {}", rank, size, host_name());
}

std::string place_of(const Communicator& communicator) {
  return place_of(communicator.rank(), communicator.size());
}

}  // namespace sdlora::comm
