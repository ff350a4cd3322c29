// SPDX-License-Identifier: MIT
#include "base/journal.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/escape.hpp"

namespace msi2imds::log {
namespace {

// Out of the way of the descriptors that a service manager passes, from 3 on.
constexpr int kLowestDescriptor = 64;

bool is_stderr_journald() {
  const char* const stream = std::getenv("JOURNAL_STREAM");  // "DEVICE:INODE"
  struct stat found {};
  return stream != nullptr && ::fstat(STDERR_FILENO, &found) == 0 &&
         stream == std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino);
}

}  // namespace

void Journal::open(const std::string& socket) {
  if (tried_) {
    return;
  }
  tried_ = true;
  sockaddr_un address{};
  if (!is_stderr_journald() || socket.size() >= sizeof address.sun_path) {
    return;
  }
  address.sun_family = AF_UNIX;
  std::ranges::copy(socket, address.sun_path);
  UniqueFd connected(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (connected && ::connect(connected.get(), reinterpret_cast<const sockaddr*>(&address),
                             static_cast<socklen_t>(sizeof address)) == 0) {
    socket_ = UniqueFd(::fcntl(connected.get(), F_DUPFD_CLOEXEC, kLowestDescriptor));
    owner_ = ::getpid();
  }
}

bool Journal::send(std::string_view entry) const {
  return socket_ && owner_ == ::getpid() &&
         ::send(socket_.get(), entry.data(), entry.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

void append_field(std::string& entry, std::string_view name, std::string_view value) {
  if (!value.empty()) {
    entry += name;
    entry += '=';
    escape::append_control_characters(entry, value);  // without line feeds in it, a value needs no length
    entry += '\n';
  }
}

}  // namespace msi2imds::log
