// SPDX-License-Identifier: MIT
#include "supervisor/reserved_ports_note.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <string_view>

#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "supervisor/file_error.hpp"

namespace msi2imds::supervisor {
namespace {

// Longer than a list of all the ports a configuration may name.
constexpr std::size_t kMaxNote = 1024;

bool only_we_could_write(int fd) {
  struct stat file {};
  return ::fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_uid == ::geteuid() &&
         (file.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

std::optional<PortSet> parse_note(int fd) {
  std::array<char, kMaxNote> text{};
  const ssize_t size = ::read(fd, text.data(), text.size());
  if (size <= 0 || text.at(static_cast<std::size_t>(size) - 1) != '\n') {
    return std::nullopt;
  }
  return parse_port_list(std::string_view(text.data(), static_cast<std::size_t>(size)));
}

}  // namespace

PortSet read_note(const std::string& path) {
  // Without waiting for the writer of a pipe.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd && errno == ENOENT) {
    return {};
  }
  if (!fd) {
    log::warn("{}", Error::from_errno(errno, "ignored the note of reserved ports '" + path + "'").message());
    return {};
  }
  if (!only_we_could_write(fd.get())) {
    log::warn("ignored the note of reserved ports '{}': it is no file that only this user can write", path);
    return {};
  }
  const std::optional<PortSet> ports = parse_note(fd.get());
  if (!ports) {
    log::warn("ignored the note of reserved ports '{}': it is damaged", path);
  }
  return ports.value_or(PortSet());
}

Result<void> write_note(const std::string& path, const PortSet& ports) {
  const auto failure = [&path](int err) { return file_error(err, "write the note of reserved ports", path); };
  if (ports.none()) {
    return ::unlink(path.c_str()) == 0 || errno == ENOENT ? Result<void>() : failure(errno);
  }
  const std::string text = to_port_list(ports) + "\n";
  const std::string fresh = path + ".new";
  (void)::unlink(fresh.c_str());  // left by a process that was killed in the middle of this
  const UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) {
    return failure(errno);
  }
  const ssize_t written = ::write(fd.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()) || std::rename(fresh.c_str(), path.c_str()) != 0) {
    const int err = written >= 0 && written != static_cast<ssize_t>(text.size()) ? ENOSPC : errno;
    (void)::unlink(fresh.c_str());  // nobody reads it
    return failure(err);
  }
  return {};
}

}  // namespace msi2imds::supervisor
