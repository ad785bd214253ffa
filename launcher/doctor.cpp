#include "launcher/doctor.h"

#include <algorithm>
#include <array>
#include <climits>
#include <cstdio>

#include <ATen/Version.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/resource.h>
#include <torch/version.h>
#include <unistd.h>

#include "common/cpu_cores.h"
#include "common/error.h"
#include "common/host.h"
#include "common/network_interfaces.h"
#include "common/version.h"
#include "launcher/build_info.h"
#include "launcher/supervisor/command_output.h"
#include "launcher/supervisor/slurm_job.h"
#include "monitoring/memory/host_memory.h"

namespace sdlora::launcher {
namespace {

using Kind = Finding::Kind;

constexpr double kGibibyte = 1024.0 * 1024 * 1024;
constexpr double kSparseMemoryGib = 8;  // one rank of the full-size model on the CPU takes 7
constexpr double kSparseDiskGib = 5;
constexpr double kSparseSharedMemoryMib = 32;  // Open MPI takes 4 MiB for each rank
constexpr rlim_t kFewFiles = 1024;             // shards, sockets between ranks, NCCL

Finding processor() {
  const std::vector<int> cores = cores_of();
  const std::optional<double> quota = cpu_quota();
  const bool is_limited = quota && *quota < static_cast<double>(cores.size());
  return {is_limited ? Kind::kNote : Kind::kFine, "processor",
          fmt::format("{} core{} for this process ({}){}; kernels for {}", cores.size(),
                      cores.size() == 1 ? "" : "s", describe_cores(cores),
                      is_limited ? fmt::format(", of which its control group leaves {:g}", *quota) : "",
                      at::get_cpu_capability())};
}

Finding memory() {
  const monitoring::HostMemory host = monitoring::host_memory();
  const double total = static_cast<double>(host.limit_bytes) / kGibibyte;
  const double available = static_cast<double>(host.available_bytes) / kGibibyte;
  const bool is_sparse = available < kSparseMemoryGib;
  return {is_sparse ? Kind::kNote : Kind::kFine, "memory",
          fmt::format("{:.1f} GiB, {:.1f} available{}", total, available,
                      is_sparse ? "; one rank of the full-size model on the CPU takes about 7" : "")};
}

Finding gpus() {
  const std::string devices =
      output_of("nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader");
  if (devices.empty())
    return {Kind::kNote, "GPUs", "none with a working NVIDIA driver: it computes on the CPU"};
  return {Kind::kFine, "GPUs", devices};
}

Finding mpi() {
  const std::string version = output_of("mpirun --version | head -n 1");
  if (version.empty())
    return {Kind::kMissing, "MPI", "mpirun is not in PATH: install Open MPI, or load its module"};
  // "mpirun (Open MPI) 4.1.4" and "4.1.4"
  const bool is_the_same = version.find(kBuiltWithMpi) != std::string::npos;
  return {
      is_the_same ? Kind::kFine : Kind::kNote, "MPI",
      fmt::format(
          "{}{}", version,
          is_the_same ? "" : fmt::format("; this build was made with {}, they should agree", kBuiltWithMpi))};
}

Finding libraries() {
  const std::string nccl = kBuiltWithNccl;
  return {Kind::kFine, "build",
          fmt::format("sdlora {}, LibTorch {}, HDF5 {}, {}", kVersion, TORCH_VERSION, kBuiltWithHdf5,
                      nccl.empty() ? "without NCCL: several GPUs exchange through MPI" : "NCCL " + nccl)};
}

Finding disk(const std::filesystem::path& directory) {
  std::error_code failure;
  const auto space = std::filesystem::space(directory, failure);
  if (failure) return {Kind::kMissing, "disk", fmt::format("{}: {}", directory.string(), failure.message())};
  if (::access(directory.c_str(), W_OK | X_OK) != 0)
    return {Kind::kMissing, "disk",
            fmt::format("{}: cannot write here ({})", directory.string(), system_error_text())};
  const double free_gib = static_cast<double>(space.available) / kGibibyte;
  return {free_gib < kSparseDiskGib ? Kind::kNote : Kind::kFine, "disk",
          fmt::format("{}: writable, {:.1f} GiB free{}", directory.string(), free_gib,
                      free_gib < kSparseDiskGib ? ", which may not last for many checkpoints" : "")};
}

Finding open_files() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const bool is_few = limit.rlim_cur < kFewFiles;
  return {
      is_few ? Kind::kNote : Kind::kFine, "open files",
      fmt::format(
          "at most {} a process{}", limit.rlim_cur,
          is_few ? fmt::format("; raise it to {} for many ranks: ulimit -n {}", kFewFiles, kFewFiles) : "")};
}

Finding own_name() {
  const std::string host = host_name();
  addrinfo* found = nullptr;
  const int failure = ::getaddrinfo(host.c_str(), nullptr, nullptr, &found);
  if (failure != 0)
    return {Kind::kNote, "host name",
            fmt::format("{} does not resolve ({}): runs on several hosts need it, see /etc/hosts", host,
                        ::gai_strerror(failure))};
  ::freeaddrinfo(found);
  return {Kind::kFine, "host name", fmt::format("{} resolves", host)};
}

Finding network() {
  const std::vector<NetworkInterface> interfaces = network_interfaces();
  const bool has_local = std::any_of(interfaces.begin(), interfaces.end(),
                                     [](const NetworkInterface& one) { return one.is_local; });
  if (!has_local) return {Kind::kFine, "network", describe(interfaces)};
  return {Kind::kNote, "network",
          fmt::format("{}; for runs on several hosts leave out what leads nowhere: {}", describe(interfaces),
                      command_to_exclude(interfaces))};
}

// Through which Open MPI's ranks of a host speak.
Finding shared_memory() {
  std::error_code failure;
  const auto space = std::filesystem::space("/dev/shm", failure);
  if (failure || ::access("/dev/shm", W_OK) != 0)
    return {Kind::kNote, "/dev/shm", "not usable: the ranks of a host need OMPI_MCA_btl=self,tcp"};
  const double free_mib = static_cast<double>(space.available) / 1024 / 1024;
  const bool is_sparse = free_mib < kSparseSharedMemoryMib;
  return {is_sparse ? Kind::kNote : Kind::kFine, "/dev/shm",
          fmt::format("{:.0f} MiB free{}", free_mib,
                      is_sparse ? ", which is little for several ranks: docker run --shm-size 1g, or export "
                                  "OMPI_MCA_btl=self,tcp"
                                : "")};
}

Finding slurm() {
  if (output_of("srun --version").empty())
    return {Kind::kFine, "Slurm", "none here: mpirun starts the ranks"};
  const bool has_pmix = output_of("srun --mpi=list 2>&1").find("pmix") != std::string::npos;
  const auto job = slurm_job();
  const std::string where =
      job ? fmt::format("inside job {} with {} tasks", job->id, job->task_count) : "outside a job";
  if (has_pmix)
    return {Kind::kFine, "Slurm", fmt::format("{}, with PMIx; {}", output_of("srun --version"), where)};
  return {Kind::kNote, "Slurm",
          fmt::format("{} without PMIx: use launcher run --starter mpirun, or ask the administrator for srun "
                      "--mpi=pmix; {}",
                      output_of("srun --version"), where)};
}

}  // namespace

std::vector<Finding> examine(const std::filesystem::path& directory) {
  return {processor(),  memory(),   gpus(),    mpi(),           libraries(), disk(directory),
          open_files(), own_name(), network(), shared_memory(), slurm()};
}

std::string report_text(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    const char* const word = finding.kind == Kind::kFine   ? "ok"
                             : finding.kind == Kind::kNote ? "note"
                                                           : "MISSING";
    text += fmt::format("{:<8} {:<11} {}\n", word, finding.topic, finding.text);
  }
  return text + (is_anything_missing(findings) ? "Something is missing: training cannot start here.\n"
                                               : "Training can start here.\n");
}

bool is_anything_missing(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.kind == Kind::kMissing; });
}

}  // namespace sdlora::launcher
