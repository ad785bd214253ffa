// What made a picture, in the words of the text that other programs write into PNG files (Automatic1111's
// "parameters"), so that they can read it back.
#pragma once

#include <string>

#include "inference/generate_options.h"
#include "inference/picture_requests.h"

namespace sdlora::inference {

std::string parameters_text(const GenerateOptions& options, const PictureRequest& request);

}  // namespace sdlora::inference
