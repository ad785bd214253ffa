#include "common/output_queue.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <poll.h>
#include <unistd.h>

namespace sdlora {
namespace {

constexpr size_t kMostBytes = size_t{256} << 10;
constexpr std::chrono::seconds kLastPatience{2};

int64_t lines_of(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

// False: the rest cannot be written, since the reader or the terminal is gone, or a disk is full.
bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written > 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (written < 0 && errno == EAGAIN) {  // another program made it so
      pollfd ready{.fd = file, .events = POLLOUT, .revents = 0};
      ::poll(&ready, 1, -1);
    } else if (written < 0 && errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace

struct OutputQueue::Shared {
  struct Piece {
    std::string text;
    int64_t dropped_lines_before;
  };

  std::mutex mutex;
  std::condition_variable has_work, has_progress;
  std::deque<Piece> pieces;
  size_t byte_count = 0;      // in pieces
  uint64_t queued_count = 0;  // pieces, ever
  uint64_t finished_count = 0;
  int64_t dropped_lines = 0;            // after the last piece
  std::atomic<bool> is_behind = false;  // somebody waited in vain, and not everything is written since
  bool is_flowing = true;               // the last write did not fail
  bool is_over = false;                 // nobody can hear a note any more
  std::atomic<pid_t> owner = 0;         // the process that has the thread; 0: there is none yet
  int file = -1;
  std::function<std::string(int64_t)> note;

  bool has_gap_to_note() const { return dropped_lines > 0 && is_flowing; }

  // A process that was forked off has no such thread, and the mutex as it happened to be.
  bool is_of_another_process() const { return owner != 0 && owner != ::getpid(); }

  bool is_done() const { return finished_count == queued_count; }

  bool start_thread(const std::shared_ptr<Shared>& self);
  uint64_t add(std::string text);
  void write_pieces();  // the thread
};

// False: the system allows no more threads.
bool OutputQueue::Shared::start_thread(const std::shared_ptr<Shared>& self) {
  if (owner != 0) return true;
  // Its signals are for threads that handle them, or hold them back to take them one by one. Blocking TTOU
  // also lets a program in the background write to a terminal that would stop it.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([self] { self->write_pieces(); }).detach();
    owner = ::getpid();
  } catch (const std::system_error&) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return owner != 0;
}

uint64_t OutputQueue::Shared::add(std::string text) {
  if (byte_count + text.size() > kMostBytes && !pieces.empty()) {
    dropped_lines += lines_of(text);
    return 0;
  }
  byte_count += text.size();
  pieces.push_back({std::move(text), std::exchange(dropped_lines, 0)});
  has_work.notify_one();
  return ++queued_count;
}

void OutputQueue::Shared::write_pieces() {
  std::unique_lock lock(mutex);
  for (;;) {
    has_work.wait(lock, [this] { return !pieces.empty() || has_gap_to_note() || is_over; });
    if (is_over) return;
    if (pieces.empty()) add("");
    Piece piece = std::move(pieces.front());
    pieces.pop_front();
    byte_count -= piece.text.size();
    const int64_t line_count = lines_of(piece.text) + piece.dropped_lines_before;
    if (piece.dropped_lines_before > 0) piece.text.insert(0, note(piece.dropped_lines_before));
    lock.unlock();
    const bool is_written = write_all(file, piece.text);
    lock.lock();
    is_flowing = is_written;
    if (!is_written) dropped_lines += line_count;
    ++finished_count;
    if (is_done()) is_behind = false;
    has_progress.notify_all();
  }
}

OutputQueue::OutputQueue(int file, std::function<std::string(int64_t lines)> note)
    : shared_(std::make_shared<Shared>()) {
  shared_->file = file;
  shared_->note = std::move(note);
}

OutputQueue::~OutputQueue() {
  if (shared_->is_of_another_process()) return;
  std::unique_lock lock(shared_->mutex);
  shared_->has_progress.wait_for(lock, kLastPatience,
                                 [this] { return shared_->is_done() && !shared_->has_gap_to_note(); });
  shared_->is_over = true;
  shared_->has_work.notify_one();
}

void OutputQueue::write(std::string text, Milliseconds patience) {
  if (shared_->is_of_another_process()) {
    write_all(shared_->file, text);
    return;
  }
  std::unique_lock lock(shared_->mutex);
  if (!shared_->start_thread(shared_)) {
    write_all(shared_->file, text);
    return;
  }
  const uint64_t own = shared_->add(std::move(text));
  if (patience == Milliseconds(0)) return;
  const bool is_done = shared_->has_progress.wait_for(
      lock, patience, [&] { return own != 0 && shared_->finished_count >= own; });
  if (!is_done) shared_->is_behind = true;
}

void OutputQueue::write_unless_behind(std::string text) {
  if (!shared_->is_of_another_process()) {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->is_behind || !shared_->pieces.empty()) return;
  }
  write(std::move(text), Milliseconds(0));
}

bool OutputQueue::is_behind() const {
  return shared_->is_behind;
}

}  // namespace sdlora
