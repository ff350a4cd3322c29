// SPDX-License-Identifier: MIT
#include "base/line_writer.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/unique_fd.hpp"

namespace msi2imds {
namespace {

bool is_nonblocking(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

// Fails for a pipe of another user, and where there is no /proc: then poll(2) has to do.
void reopen_nonblocking(int descriptor) {
  const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  const UniqueFd own(::open(path.c_str(), O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (own) {
    (void)::dup3(own.get(), descriptor, 0);  // on failure all stays as it was
  }
}

// A pipe that takes anything takes PIPE_BUF bytes at once, unless another writer comes first.
bool is_full(int descriptor) {
  pollfd state{.fd = descriptor, .events = POLLOUT, .revents = 0};
  return ::poll(&state, 1, 0) == 0;
}

// What is written at once: whole lines as far as they fit, since a pipe does not mix up to PIPE_BUF bytes
// with what others write.
std::string_view first_part(std::string_view waiting) {
  const std::string_view part = waiting.substr(0, PIPE_BUF);
  const std::size_t end_of_lines = part.rfind('\n');
  return end_of_lines == std::string_view::npos ? part : part.substr(0, end_of_lines + 1);
}

}  // namespace

LineWriter::LineWriter(int descriptor) : descriptor_(descriptor) {
  look_again();
}

void LineWriter::look_again() {
  struct stat found {};
  kind_ = Kind::file;
  if (::fstat(descriptor_, &found) != 0) {
    return;
  }
  if (S_ISSOCK(found.st_mode)) {
    kind_ = Kind::socket;
  } else if (S_ISFIFO(found.st_mode) || (S_ISCHR(found.st_mode) && ::isatty(descriptor_) == 1)) {
    kind_ = Kind::pipe;
    if (!is_nonblocking(descriptor_)) {
      reopen_nonblocking(descriptor_);
    }
  }
}

void LineWriter::write(std::string_view line) {
  queue_.append(line);
  flush();
}

void LineWriter::flush() {
  while (waiting() > 0) {
    const ssize_t size = write_some(first_part(std::string_view(queue_).substr(written_)));
    const int err = errno;
    if (size < 0 && err == EINTR) {
      continue;
    }
    if (size < 0 && (err == EAGAIN || err == EWOULDBLOCK)) {
      break;
    }
    // Of any other failure no reader can be told, and a line that cannot be written must not keep the others
    // back.
    fails_ = size < 0;
    written_ += size < 0 ? first_part(std::string_view(queue_).substr(written_)).size()
                         : static_cast<std::size_t>(size);
  }
  if (waiting() == 0) {
    forget();
  } else if (written_ > kMostWaiting) {
    queue_.erase(0, written_);
    written_ = 0;
  }
}

void LineWriter::forget() {
  queue_.clear();
  written_ = 0;
}

ssize_t LineWriter::write_some(std::string_view bytes) const {
  if (kind_ == Kind::socket) {
    return ::send(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (kind_ == Kind::pipe && is_full(descriptor_)) {
    errno = EAGAIN;
    return -1;
  }
  return ::write(descriptor_, bytes.data(), bytes.size());
}

}  // namespace msi2imds
