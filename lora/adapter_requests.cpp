#include "lora/adapter_requests.h"

#include "common/error.h"
#include "common/option_values.h"

namespace sdlora::lora {
namespace {

AdapterRequest request_of(const std::string& text, double default_scale) {
  AdapterRequest request{.file = {}, .scale = default_scale};
  read_value(text, request.file);
  const size_t colon = text.rfind(':');
  std::error_code ignored;
  if (colon != std::string::npos && !std::filesystem::exists(request.file, ignored) &&
      read_value(text.substr(colon + 1), request.scale))
    read_value(text.substr(0, colon), request.file);
  if (request.file.empty())
    throw Error(ExitCode::kUsage, {.what = "no file is named as an adapter",
                                   .expected = "FILE or FILE:SCALE",
                                   .seen = text.empty() ? "nothing" : text});
  return request;
}

}  // namespace

std::vector<AdapterRequest> adapter_requests(const std::vector<std::string>& texts, double default_scale) {
  std::vector<AdapterRequest> requests;
  requests.reserve(texts.size());
  for (const std::string& text : texts) requests.push_back(request_of(text, default_scale));
  return requests;
}

}  // namespace sdlora::lora
