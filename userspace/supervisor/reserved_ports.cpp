// SPDX-License-Identifier: MIT
#include "supervisor/reserved_ports.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "supervisor/sysctl_settings.hpp"

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

// Which of the ports that we added are nobody else's by now.
PortSet still_ours(const ReservedPortsNote& added, const PortSet& current, const std::string& root) {
  const bool is_as_we_left_it = !added.list || *added.list == mark_of(current);
  return is_as_we_left_it ? added.ports & ~ports_reserved_by_settings(root) : PortSet();
}

// Whether there was something to take back.
Result<bool> take_out(const ReservedPortsNote& added, const std::string& note_file,
                      const PortListPlaces& places) {
  const Result<PortSet> current = added.ports.any() ? read_list(places.sysctl_file) : Result<PortSet>();
  if (!current && !is_missing(current.error())) {
    return current.error();
  }
  const PortSet there = current ? *current & added.ports : PortSet();
  const PortSet ours = there.any() ? there & still_ours(added, *current, places.root) : PortSet();
  if (ours != there) {
    log::info("left reserved, as others have reserved them, too: {}", to_port_list(there & ~ours));
  }
  if (ours.any()) {
    const Result<void> written = write_list(places.sysctl_file, *current & ~ours);
    if (!written) {
      return written.error();
    }
  }
  const Result<void> removed = write_note(note_file, {});
  return removed ? Result<bool>(ours.any()) : Result<bool>(removed.error());
}

}  // namespace

ReservedPorts::ReservedPorts(const ReservedPortsNote& ours, std::string note_file, PortListPlaces places)
    : ours_(ours), note_file_(std::move(note_file)), places_(std::move(places)) {}

ReservedPorts::ReservedPorts(ReservedPorts&& other) noexcept
    : ours_(std::exchange(other.ours_, ReservedPortsNote())),
      note_file_(std::move(other.note_file_)),
      places_(std::move(other.places_)) {}

ReservedPorts::~ReservedPorts() {
  if (ours_.ports.none()) {
    return;
  }
  const Result<bool> taken = take_out(ours_, note_file_, places_);
  if (!taken) {
    log::warn("cannot take back reserved ports: {}", taken.error().message());
  }
}

Result<ReservedPorts> ReservedPorts::reserve(const std::vector<std::uint16_t>& ports, std::string note_file,
                                             PortListPlaces places) {
  const Result<PortSet> current = read_list(places.sysctl_file);
  if (!current && is_missing(current.error())) {
    log::info("cannot reserve ports: this kernel has no {}", places.sysctl_file);
    return ReservedPorts({}, std::move(note_file), std::move(places));
  }
  if (!current) {
    return current.error();
  }
  const PortSet wanted = set_of(ports);
  const PortSet before = still_ours(read_note(note_file), *current, places.root);
  const PortSet ours = wanted & (before | ~*current);
  const PortSet list = (*current & ~before) | wanted;

  // The note comes first: a port that is noted in vain does no harm, one that is not noted stays for ever.
  // Without the list's mark, since it may not come to be.
  Result<void> noted = write_note(note_file, {.ports = ours | before});
  if (!noted) {
    return noted.error();
  }
  const Result<void> written = list != *current ? write_list(places.sysctl_file, list) : Result<void>();
  const ReservedPortsNote note{.ports = written ? ours : before, .list = mark_of(written ? list : *current)};
  noted = write_note(note_file, note);
  if (!written || !noted) {
    return written ? noted.error() : written.error();
  }
  return ReservedPorts(note, std::move(note_file), std::move(places));
}

Result<bool> ReservedPorts::take_back(const std::string& note_file, const PortListPlaces& places) {
  return take_out(read_note(note_file), note_file, places);
}

}  // namespace msi2imds::supervisor
