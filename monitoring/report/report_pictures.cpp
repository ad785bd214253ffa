#include "monitoring/report/report_pictures.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>

#include <openssl/evp.h>

namespace sdlora::monitoring {
namespace {

namespace fs = std::filesystem;

struct StepFolder {
  std::map<std::string, fs::path> picture_of_prompt;
  std::vector<std::string> prompts;  // in the order of the file
  uint64_t bytes = 0;
};

std::string bytes_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string base64(const std::string& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

StepFolder read_folder(const fs::path& folder) {
  StepFolder content;
  std::ifstream stream(folder / "prompts.txt");
  std::string prompt;
  for (size_t index = 0; std::getline(stream, prompt); ++index) {
    const fs::path file = folder / ((index < 10 ? "0" : "") + std::to_string(index) + ".png");
    std::error_code absent;
    const uint64_t bytes = fs::file_size(file, absent);
    if (absent) continue;
    content.bytes += bytes;
    content.prompts.push_back(prompt);
    content.picture_of_prompt.emplace(prompt, file);
  }
  return content;
}

std::map<int64_t, StepFolder> read_folders(const fs::path& directory) {
  std::map<int64_t, StepFolder> folders;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(directory, absent)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("step-") || name.find_first_not_of("0123456789", 5) != std::string::npos ||
        name.size() < 6 || name.size() > 20)
      continue;
    StepFolder content = read_folder(entry.path());
    if (!content.prompts.empty()) folders.emplace(std::stoll(name.substr(5)), std::move(content));
  }
  return folders;
}

// `count` of the steps, evenly, with the first and the last.
std::vector<int64_t> choose(const std::map<int64_t, StepFolder>& folders, size_t count) {
  std::vector<int64_t> all, chosen;
  for (const auto& [step, content] : folders) all.push_back(step);
  if (all.size() <= count) return all;
  for (size_t i = 0; i < count; ++i) chosen.push_back(all[i * (all.size() - 1) / (count - 1)]);
  return chosen;
}

std::vector<int64_t> choose(const std::map<int64_t, StepFolder>& folders, size_t max_steps,
                            uint64_t max_bytes) {
  for (size_t count = std::max<size_t>(2, std::min(max_steps, folders.size()));; --count) {
    std::vector<int64_t> chosen = choose(folders, count);
    uint64_t bytes = 0;
    for (const int64_t step : chosen) bytes += folders.at(step).bytes;
    if (bytes <= max_bytes || count == 2) return chosen;
  }
}

}  // namespace

ReportPictures read_report_pictures(const fs::path& directory, size_t max_steps, uint64_t max_bytes) {
  const std::map<int64_t, StepFolder> folders = read_folders(directory);
  ReportPictures report{.all_step_count = static_cast<int64_t>(folders.size()),
                        .shown_steps = choose(folders, max_steps, max_bytes),
                        .prompts = {},
                        .pictures = {}};
  std::map<std::string, size_t> index_of_prompt;
  for (const int64_t step : report.shown_steps) {
    const StepFolder& folder = folders.at(step);
    for (const std::string& prompt : folder.prompts) {
      const auto [known, is_new] = index_of_prompt.emplace(prompt, report.prompts.size());
      if (is_new) report.prompts.push_back(prompt);
      report.pictures.push_back(
          {step, known->second,
           "data:image/png;base64," + base64(bytes_of(folder.picture_of_prompt.at(prompt)))});
    }
  }
  return report;
}

}  // namespace sdlora::monitoring
