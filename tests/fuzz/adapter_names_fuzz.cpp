// The name of a tensor in an adapter's file.
#include <cstdlib>

#include "lora/names/adapter_names.h"
#include "lora/names/module_table.h"
#include "lora/names/numbered_modules.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const lora::ModuleTable table = lora::ModuleTable::standard(/*is_sd2=*/false);
  const std::string name(fuzz::text_of(data, size));
  const lora::AdapterName parsed = lora::parse_adapter_name(name);
  if ((parsed.part == lora::Part::kUnsupported) == parsed.unsupported_kind.empty()) std::abort();
  (void)lora::text_of(parsed.naming);
  if (parsed.module.find('.') != std::string::npos) std::abort();
  (void)table.find(parsed.module);
  (void)lora::parse_numbered_name(name);
  return 0;
}
