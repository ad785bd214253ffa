// How CLIP cuts a normalised caption into words: the split pattern of its tokenizer,
//
//   <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
//
// written as a scanner: the classes come from the one place that follows the reference, and no input makes it
// backtrack.
#pragma once

#include <string_view>
#include <vector>

namespace sdlora::model {

// The words of `text`, as views into it.
std::vector<std::u32string_view> split_words(std::u32string_view text);

}  // namespace sdlora::model
