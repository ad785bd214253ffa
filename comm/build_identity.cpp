#include "comm/build_identity.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include <elf.h>
#include <fmt/format.h>
#include <link.h>
#include <mpi.h>
#include <torch/version.h>

namespace sdlora::comm {
namespace {

// Drivers and plugins may differ from host to host; arithmetic, reductions and the C library may not.
constexpr std::array<std::string_view, 14> kDecisiveLibraries{
    "libtorch", "libc10", "libmpi.so", "libnccl", "libcublas", "libcudnn",  "libcudart",
    "libdnnl",  "libmkl", "libgomp",   "libm.so", "libc.so",   "libstdc++", "libhdf5"};

bool is_decisive(std::string_view file_name) {
  return std::any_of(kDecisiveLibraries.begin(), kDecisiveLibraries.end(),
                     [&](std::string_view prefix) { return file_name.starts_with(prefix); });
}

constexpr size_t padded(size_t bytes) {
  return (bytes + 3) / 4 * 4;
}

// The build id among the notes of a loaded segment (elf(5), "Notes"); empty where there is none.
std::string build_id_in(const char* notes, size_t byte_count) {
  size_t at = 0;
  while (at + sizeof(ElfW(Nhdr)) <= byte_count) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes + at, sizeof note);
    const char* name = notes + at + sizeof note;
    const char* value = name + padded(note.n_namesz);
    if (note.n_type == NT_GNU_BUILD_ID &&
        std::string_view(name, note.n_namesz) == std::string_view("GNU\0", 4)) {
      std::string hex;
      for (size_t i = 0; i < note.n_descsz; ++i)
        hex += fmt::format("{:02x}", static_cast<unsigned char>(value[i]));
      return hex;
    }
    at += sizeof note + padded(note.n_namesz) + padded(note.n_descsz);
  }
  return "";
}

std::string build_id_of(const dl_phdr_info& object) {
  for (size_t i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object.dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses are numbers to the dynamic linker
    const auto* notes = reinterpret_cast<const char*>(object.dlpi_addr + segment.p_vaddr);
    if (std::string id = build_id_in(notes, segment.p_memsz); !id.empty()) return id;
  }
  return "none";
}

std::string mpi_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  const std::string_view version(text.data(), static_cast<size_t>(length));
  return std::string(version.substr(0, version.find_first_of(",\n")));
}

}  // namespace

std::map<std::string, std::string> build_identity() {
  std::map<std::string, std::string> identity;
  dl_iterate_phdr(
      [](dl_phdr_info* object, size_t, void* result) {
        const std::string_view path = object->dlpi_name;
        const std::string_view name = path.empty() ? "program" : path.substr(path.rfind('/') + 1);
        if (path.empty() || is_decisive(name))
          static_cast<std::map<std::string, std::string>*>(result)->emplace(name, build_id_of(*object));
        return 0;
      },
      &identity);
  identity["torch"] = TORCH_VERSION;
  identity["MPI"] = mpi_version();
  identity["NCCL"] = nccl_version();
  return identity;
}

}  // namespace sdlora::comm
