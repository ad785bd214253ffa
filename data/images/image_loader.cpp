#include "data/images/image_loader.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <opencv2/core/utility.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoint/sha256.h"
#include "common/error.h"
#include "data/images/image_bytes.h"
#include "data/images/image_file.h"
#include "data/images/image_pixels.h"

namespace sdlora::data {
namespace {

// What one image may take: room for the largest within the limits of image_header.h in the hungriest decoder,
// JPEG XL's, which wants 16 bytes a pixel.
constexpr rlim_t kMemoryBytesPerImage = rlim_t{8} << 30;
constexpr rlim_t kCpuSecondsPerImage = 120;
constexpr size_t kLongestRequestBytes = 64 << 10;
constexpr size_t kSha256Characters = 64;
const std::string kNoSha256(kSha256Characters, '0');  // of a file that could not be read
constexpr char kUsable = '+';
constexpr char kUnusable = '-';
constexpr char kNoProcess = '!';

// What is wanted of a file.
struct Wanted {
  PictureFit fit;
  MaskKind mask;
};

// A request is one datagram: what is wanted, then the paths of picture and mask with a NUL between; the pipe
// for the result travels with it.
struct Request {
  Wanted wanted;
  std::string files;

  std::filesystem::path picture() const { return files.substr(0, files.find('\0')); }

  std::filesystem::path mask() const { return files.substr(files.find('\0') + 1); }

  int result_pipe = -1;
};

union DescriptorMessage {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

bool send_request(int socket, const Request& request) {
  iovec parts[2] = {{const_cast<Wanted*>(&request.wanted), sizeof(Wanted)},
                    {const_cast<char*>(request.files.data()), request.files.size()}};
  DescriptorMessage control{};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof(control.bytes);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &request.result_pipe, sizeof(int));
  ssize_t sent = -1;
  while ((sent = ::sendmsg(socket, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR) continue;
  return sent >= 0;
}

// False when the other side is gone.
bool receive_request(int socket, Request& request) {
  std::string text(kLongestRequestBytes, '\0');
  iovec part{text.data(), text.size()};
  DescriptorMessage control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof(control.bytes);
  ssize_t byte_count = -1;
  while ((byte_count = ::recvmsg(socket, &message, 0)) < 0 && errno == EINTR) continue;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (byte_count < static_cast<ssize_t>(sizeof(Wanted)) || header == nullptr) return false;
  std::memcpy(&request.wanted, text.data(), sizeof(Wanted));
  std::memcpy(&request.result_pipe, CMSG_DATA(header), sizeof(int));
  request.files = text.substr(sizeof(Wanted), static_cast<size_t>(byte_count) - sizeof(Wanted));
  return true;
}

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nobody reads any more
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void limit_resources() {
  rlim_t pages_in_use = 0;
  if (const std::unique_ptr<FILE, int (*)(FILE*)> status{std::fopen("/proc/self/statm", "r"), std::fclose})
    if (std::fscanf(status.get(), "%lu", &pages_in_use) != 1) pages_in_use = 0;
  const rlim_t bytes = pages_in_use * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + kMemoryBytesPerImage;
  const rlimit memory{bytes, bytes};
  const rlimit cpu{kCpuSecondsPerImage, kCpuSecondsPerImage};
  const rlimit core{0, 0};
  ::setrlimit(RLIMIT_AS, &memory);
  ::setrlimit(RLIMIT_CPU, &cpu);
  ::setrlimit(RLIMIT_CORE, &core);
}

std::vector<uint8_t> mask_of(const std::string& bytes, const PictureFit& fit) {
  try {
    return crop_mask(bytes, fit);
  } catch (const UnusableImage& reason) {
    throw UnusableImage("its mask: " + std::string(reason.what()));
  }
}

// In a decoder process: its whole life. The result is one sign, the SHA-256 of the picture's file and of the
// mask's, then the pixels and the mask's, or the reason.
[[noreturn]] void load_and_exit(const Request& request) {
  limit_resources();
  cv::setNumThreads(1);
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  std::string sha256 = kNoSha256, mask_sha256 = kNoSha256;
  std::string result;
  try {
    const std::string bytes = read_image_file(request.picture());
    sha256 = checkpoint::sha256_of(bytes);
    const MaskKind kind = request.wanted.mask;
    const std::string mask_bytes = kind == MaskKind::kFile ? read_mask_file(request.mask()) : std::string();
    if (kind == MaskKind::kFile) mask_sha256 = checkpoint::sha256_of(mask_bytes);
    CroppedPicture picture = crop_picture(bytes, request.wanted.fit, kind == MaskKind::kAlpha);
    if (kind == MaskKind::kFile) picture.alpha = mask_of(mask_bytes, picture.fit);
    result = kUsable + sha256 + mask_sha256;
    result.append(picture.rgb.begin(), picture.rgb.end());
    result.append(picture.alpha.begin(), picture.alpha.end());
  } catch (const UnusableImage& reason) {
    result = kUnusable + sha256 + mask_sha256 + reason.what();
  } catch (const std::exception&) {
    result = kUnusable + sha256 + mask_sha256 +
             "the decoder failed, for example for want of memory (it may take 8 GiB)";
  }
  write_all(request.result_pipe, result);
  ::_exit(0);
}

[[noreturn]] void fail_to_start(const std::string& seen) {
  throw Error(ExitCode::kInternal, {.what = "cannot start a process that decodes images",
                                    .seen = seen,
                                    .advice = "check the limits on processes and open files (ulimit -a)"});
}

[[noreturn]] void run_spawner(int socket) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::signal(SIGCHLD, SIG_IGN);  // children are not waited for: their pipe tells all
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGINT, SIG_IGN);  // the parent decides when to stop
  Request request;
  while (receive_request(socket, request)) {
    const pid_t decoder = ::fork();
    if (decoder == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(socket);
      load_and_exit(request);
    }
    if (decoder < 0) write_all(request.result_pipe, kNoProcess + system_error_text());
    ::close(request.result_pipe);
  }
  ::_exit(0);
}

}  // namespace

ImageLoader::ImageLoader() {
  int sockets[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0 || (spawner_ = ::fork()) < 0) {
    failure_ = system_error_text();
    return;
  }
  if (spawner_ == 0) {
    ::close(sockets[0]);
    run_spawner(sockets[1]);
  }
  ::close(sockets[1]);
  request_socket_ = sockets[0];
}

ImageLoader::~ImageLoader() {
  for (const auto& [pipe, size] : results_) ::close(pipe);
  if (request_socket_ >= 0) ::close(request_socket_);
  if (spawner_ > 0) ::waitpid(spawner_, nullptr, 0);
}

void ImageLoader::request(const std::filesystem::path& file, const PictureFit& fit, MaskKind mask,
                          const std::filesystem::path& mask_file) {
  int ends[2] = {-1, -1};
  const auto fail = [&](const std::string& seen) {
    throw Error(ExitCode::kInternal,
                {.what = "cannot start a process that decodes images", .seen = seen, .where = file.string()});
  };
  if (!failure_.empty()) fail(failure_);
  if (::pipe2(ends, O_CLOEXEC) != 0) fail(system_error_text());
  const std::string files = file.string() + '\0' + mask_file.string();
  const bool is_sent = send_request(request_socket_, {{fit, mask}, files, ends[1]});
  const std::string reason = is_sent ? "" : system_error_text();
  ::close(ends[1]);
  results_.push_back({ends[0], fit.size});
  if (!is_sent) fail_to_start(reason);
}

LoadedImage ImageLoader::take() {
  const auto [pipe, size] = results_.front();
  results_.pop_front();
  std::string result;
  char buffer[size_t{64} << 10];
  for (ssize_t byte_count = 0; (byte_count = ::read(pipe, buffer, sizeof(buffer))) != 0;)
    if (byte_count > 0)
      result.append(buffer, static_cast<size_t>(byte_count));
    else if (errno != EINTR)
      break;
  ::close(pipe);

  LoadedImage image;
  if (result.starts_with(kNoProcess)) fail_to_start(result.substr(1));
  constexpr size_t kMaskSha256 = 1 + kSha256Characters, kRest = kMaskSha256 + kSha256Characters;
  if (result.size() < kRest) {
    image.unusable_reason = kDecoderDied;
    return image;
  }
  image.sha256 = result.substr(1, kSha256Characters);
  image.mask_sha256 = result.substr(kMaskSha256, kSha256Characters);
  for (std::string* sha256 : {&image.sha256, &image.mask_sha256})
    if (*sha256 == kNoSha256) sha256->clear();
  if (result[0] != kUsable) {
    image.unusable_reason = result.substr(kRest);
    return image;
  }
  constexpr size_t kChannels = 3;
  const auto rgb_bytes = kChannels * static_cast<size_t>(size.area());
  image.rgb = result.substr(kRest, rgb_bytes);
  if (result.size() > kRest + rgb_bytes) image.mask = result.substr(kRest + rgb_bytes);
  return image;
}

}  // namespace sdlora::data
