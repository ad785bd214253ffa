// The name of a tensor in an adapter's file.
#include <cstdlib>

#include "lora/adapter_names.h"
#include "lora/kohya_names.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string name(fuzz::text_of(data, size));
  const lora::AdapterName parsed = lora::parse_adapter_name(name);
  if ((parsed.part == lora::Part::kUnsupported) == parsed.unsupported_kind.empty()) std::abort();
  (void)lora::text_of(parsed.naming);
  // An underscore that is none of a word's becomes a dot, and back: nothing of a name may be lost on the way.
  if (name.find('.') == std::string::npos &&
      lora::kohya_name_of_path(lora::path_of_kohya_name(name)) != name && !name.ends_with('_'))
    std::abort();
  return 0;
}
