#include "monitoring/tensorboard/tensorboard_event.h"

#include <bit>

namespace sdlora::monitoring {
namespace {

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

// Field numbers.
namespace event {
constexpr uint32_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
}

namespace session_log {
constexpr uint32_t kStatus = 1;
constexpr uint64_t kStart = 1;
}  // namespace session_log

namespace summary {
constexpr uint32_t kValue = 1;
}

namespace value {
constexpr uint32_t kTag = 1, kSimpleValue = 2, kImage = 4;
}

namespace image {
constexpr uint32_t kHeight = 1, kWidth = 2, kColorspace = 3, kEncodedImage = 4;
constexpr uint64_t kRgb = 3;
}  // namespace image

class Message {
 public:
  Message& varint(uint32_t field, uint64_t number) {
    key(field, kVarint);
    append_varint(number);
    return *this;
  }

  Message& float64(uint32_t field, double number) {
    key(field, kFixed64);
    append_little_endian(std::bit_cast<uint64_t>(number), 8);
    return *this;
  }

  Message& float32(uint32_t field, float number) {
    key(field, kFixed32);
    append_little_endian(std::bit_cast<uint32_t>(number), 4);
    return *this;
  }

  Message& bytes(uint32_t field, std::string_view content) {
    key(field, kLengthDelimited);
    append_varint(content.size());
    bytes_ += content;
    return *this;
  }

  const std::string& text() const { return bytes_; }

 private:
  void key(uint32_t field, WireType type) { append_varint(field << 3 | type); }

  void append_varint(uint64_t number) {
    for (; number >= 0x80; number >>= 7) bytes_ += static_cast<char>(number | 0x80);
    bytes_ += static_cast<char>(number);
  }

  void append_little_endian(uint64_t number, int byte_count) {
    for (int i = 0; i < byte_count; ++i, number >>= 8) bytes_ += static_cast<char>(number);
  }

  std::string bytes_;
};

Message event_at(double wall_seconds, int64_t step) {
  Message message;
  message.float64(event::kWallTime, wall_seconds).varint(event::kStep, static_cast<uint64_t>(step));
  return message;
}

// A PNG's signature, then the chunk IHDR: length, name, width, height, big-endian.
uint64_t big_endian_at(std::string_view png, size_t offset) {
  uint64_t number = 0;
  for (size_t i = offset; i < offset + 4 && i < png.size(); ++i)
    number = number << 8 | static_cast<unsigned char>(png[i]);
  return number;
}

}  // namespace

std::string tensorboard_version_event(double wall_seconds) {
  return event_at(wall_seconds, 0).bytes(event::kFileVersion, "brain.Event:2").text();
}

std::string tensorboard_restart_event(double wall_seconds, int64_t step) {
  const Message log = Message().varint(session_log::kStatus, session_log::kStart);
  return event_at(wall_seconds, step).bytes(event::kSessionLog, log.text()).text();
}

std::string tensorboard_scalar_event(double wall_seconds, int64_t step,
                                     const std::vector<TensorboardScalar>& scalars) {
  Message values;
  for (const TensorboardScalar& scalar : scalars)
    values.bytes(summary::kValue, Message()
                                      .bytes(value::kTag, scalar.tag)
                                      .float32(value::kSimpleValue, static_cast<float>(scalar.value))
                                      .text());
  return event_at(wall_seconds, step).bytes(event::kSummary, values.text()).text();
}

std::string tensorboard_picture_event(double wall_seconds, int64_t step, const std::string& tag,
                                      std::string_view png) {
  constexpr size_t kWidthOffset = 16, kHeightOffset = 20;
  const Message picture = Message()
                              .varint(image::kHeight, big_endian_at(png, kHeightOffset))
                              .varint(image::kWidth, big_endian_at(png, kWidthOffset))
                              .varint(image::kColorspace, image::kRgb)
                              .bytes(image::kEncodedImage, png);
  const Message values = Message().bytes(
      summary::kValue, Message().bytes(value::kTag, tag).bytes(value::kImage, picture.text()).text());
  return event_at(wall_seconds, step).bytes(event::kSummary, values.text()).text();
}

}  // namespace sdlora::monitoring
