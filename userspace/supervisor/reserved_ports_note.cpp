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
#include "base/text.hpp"
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

// A line of ports, and one with the list's mark, which earlier versions did not write.
std::optional<ReservedPortsNote> parse_note(int fd) {
  std::array<char, kMaxNote> buffer{};
  const ssize_t size = ::read(fd, buffer.data(), buffer.size());
  if (size <= 0 || buffer.at(static_cast<std::size_t>(size) - 1) != '\n') {
    return std::nullopt;
  }
  std::string_view text(buffer.data(), static_cast<std::size_t>(size));
  const std::size_t end = text.find('\n') + 1;
  const std::optional<PortSet> ports = parse_port_list(text.substr(0, end));
  if (!ports) {
    return std::nullopt;
  }
  ReservedPortsNote note{.ports = *ports};
  text.remove_prefix(end);
  if (!text.empty()) {
    note.list = parse_number<std::uint64_t>(text.substr(0, text.size() - 1));
    if (!note.list) {
      return std::nullopt;
    }
  }
  return note;
}

}  // namespace

// FNV-1a
std::uint64_t mark_of(const PortSet& list) {
  std::uint64_t mark = 0xcbf29ce484222325;
  for (const char c : to_port_list(list)) {
    mark = (mark ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return mark;
}

ReservedPortsNote read_note(const std::string& path) {
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
  const std::optional<ReservedPortsNote> note = parse_note(fd.get());
  if (!note) {
    log::warn("ignored the note of reserved ports '{}': it is damaged", path);
  }
  return note.value_or(ReservedPortsNote());
}

Result<void> write_note(const std::string& path, const ReservedPortsNote& note) {
  const auto failure = [&path](int err) { return file_error(err, "write the note of reserved ports", path); };
  if (note.ports.none()) {
    return ::unlink(path.c_str()) == 0 || errno == ENOENT ? Result<void>() : failure(errno);
  }
  std::string text = to_port_list(note.ports) + "\n";
  if (note.list) {
    text += std::to_string(*note.list) + "\n";
  }
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
