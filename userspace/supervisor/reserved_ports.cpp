// SPDX-License-Identifier: MIT
#include "supervisor/reserved_ports.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "supervisor/reserved_ports_note.hpp"

namespace msi2imds::supervisor {
namespace {

// Every second port, the longest list there is, takes 191 KiB.
constexpr std::size_t kLongestList = 256UL * 1024;
constexpr std::size_t kOneWrite = 4000;

// Must be one read() into a buffer that is large enough: the sysctl reports end of file afterwards.
Result<PortSet> read_list(const std::string& sysctl_file) {
  const std::string doing = "read '" + sysctl_file + "'";
  const UniqueFd fd(::open(sysctl_file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return Error::from_errno(errno, doing);
  }
  std::string text(kLongestList, '\0');
  const ssize_t size = ::read(fd.get(), text.data(), text.size());
  if (size < 0) {
    return Error::from_errno(errno, doing);
  }
  text.resize(static_cast<std::size_t>(size));
  const std::optional<PortSet> ports = parse_port_list(text);
  return ports ? Result<PortSet>(*ports) : Result<PortSet>(Error::from_errno(EINVAL, doing));
}

// The kernel takes a page at a time, and adds to the first write what follows it. Before 5.2 it misreads a
// number that stands across the page's end.
Result<void> write_list(const std::string& sysctl_file, const PortSet& ports) {
  const std::string doing = "write '" + sysctl_file + "'";
  const UniqueFd fd(::open(sysctl_file.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (!fd) {
    return Error::from_errno(errno, doing);
  }
  std::string text = to_port_list(ports) + "\n";
  while (!text.empty()) {
    const std::size_t size = text.size() <= kOneWrite ? text.size() : text.rfind(',', kOneWrite - 1) + 1;
    const ssize_t written = ::write(fd.get(), text.data(), size);
    if (written <= 0) {
      return Error::from_errno(written < 0 ? errno : EIO, doing);
    }
    text.erase(0, static_cast<std::size_t>(written));
  }
  return {};
}

PortSet set_of(const std::vector<std::uint16_t>& ports) {
  PortSet set;
  for (const std::uint16_t port : ports) {
    set.set(port);
  }
  return set;
}

bool is_missing(const Error& error) {
  return error.code() == boost::system::errc::no_such_file_or_directory;
}

// Whether there was something to take back.
Result<bool> take_out(const PortSet& ours, const std::string& note_file, const std::string& sysctl_file) {
  const Result<PortSet> current = ours.any() ? read_list(sysctl_file) : Result<PortSet>();
  if (!current && !is_missing(current.error())) {
    return current.error();
  }
  const bool are_there = current && (*current & ours).any();
  if (are_there) {
    const Result<void> written = write_list(sysctl_file, *current & ~ours);
    if (!written) {
      return written.error();
    }
  }
  const Result<void> removed = write_note(note_file, {});
  return removed ? Result<bool>(are_there) : Result<bool>(removed.error());
}

}  // namespace

ReservedPorts::ReservedPorts(const PortSet& ours, std::string note_file, std::string sysctl_file)
    : ours_(ours), note_file_(std::move(note_file)), sysctl_file_(std::move(sysctl_file)) {}

ReservedPorts::ReservedPorts(ReservedPorts&& other) noexcept
    : ours_(std::exchange(other.ours_, {})),
      note_file_(std::move(other.note_file_)),
      sysctl_file_(std::move(other.sysctl_file_)) {}

ReservedPorts::~ReservedPorts() {
  if (ours_.none()) {
    return;
  }
  const Result<bool> taken = take_out(ours_, note_file_, sysctl_file_);
  if (!taken) {
    log::warn("cannot take back reserved ports: {}", taken.error().message());
  }
}

Result<ReservedPorts> ReservedPorts::reserve(const std::vector<std::uint16_t>& ports, std::string note_file,
                                             std::string sysctl_file) {
  const Result<PortSet> current = read_list(sysctl_file);
  if (!current && is_missing(current.error())) {
    log::info("cannot reserve ports: this kernel has no {}", sysctl_file);
    return ReservedPorts({}, std::move(note_file), std::move(sysctl_file));
  }
  if (!current) {
    return current.error();
  }
  const PortSet wanted = set_of(ports);
  const PortSet before = read_note(note_file);
  const PortSet ours = wanted & (before | ~*current);
  const PortSet list = (*current & ~before) | wanted;

  // The note comes first: a port that is noted in vain does no harm, one that is not noted stays for ever.
  Result<void> noted = write_note(note_file, ours | before);
  if (!noted) {
    return noted.error();
  }
  const Result<void> written = list != *current ? write_list(sysctl_file, list) : Result<void>();
  noted = write_note(note_file, written ? ours : before);
  if (!written || !noted) {
    return written ? noted.error() : written.error();
  }
  return ReservedPorts(ours, std::move(note_file), std::move(sysctl_file));
}

Result<bool> ReservedPorts::take_back(const std::string& note_file, const std::string& sysctl_file) {
  return take_out(read_note(note_file), note_file, sysctl_file);
}

}  // namespace msi2imds::supervisor
