// What a file is whose tensors are not an adapter's, by their names.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>

namespace sdlora::lora {

// Throws Error(kBadData) when the names are those of a checkpoint, a part of a model, a ControlNet or an
// embedding, saying what it is and where it belongs.
void refuse_other_files(const std::filesystem::path& file, const std::set<std::string>& tensor_names);

// Of models of another architecture whose names `tensor_names` has: "Flux"; empty: none is known.
std::string family_by_names(const std::set<std::string>& tensor_names);

}  // namespace sdlora::lora
