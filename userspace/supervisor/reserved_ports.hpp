// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "supervisor/reserved_ports_note.hpp"

namespace msi2imds::supervisor {

inline constexpr const char* kReservedPortsFile = "/proc/sys/net/ipv4/ip_local_reserved_ports";

struct PortListPlaces {
  std::string sysctl_file = kReservedPortsFile;
  std::string root = "/";  // where the machine's settings are
};

// Ports that the kernel gives to no outgoing connection as its source port. What others have reserved stays
// as it is, also when they change it meanwhile. Destroying it takes back what it added, unless keep() was
// called. A port stays where it may be somebody else's by then: where the machine's settings name it, or
// somebody has written another list since, with the port in it. One too many does no harm.
class ReservedPorts {
 public:
  // Which ports we added is noted in `note_file` (0600, replaced as a whole), so that a later process can
  // take them back. The note belongs into a directory that a reboot empties, as it does the kernel's list. A
  // note that is already there is taken over: of its ports, those not in `ports` are taken back. To change
  // the ports, keep() the old object and reserve anew. Without the kernel's list (an old kernel) nothing is
  // reserved.
  [[nodiscard]] static Result<ReservedPorts> reserve(const std::vector<std::uint16_t>& ports,
                                                     std::string note_file, PortListPlaces places = {});

  // Takes back what the note names; false: there was nothing to take back.
  [[nodiscard]] static Result<bool> take_back(const std::string& note_file,
                                              const PortListPlaces& places = {});

  ReservedPorts(ReservedPorts&& other) noexcept;
  ReservedPorts& operator=(ReservedPorts&&) = delete;
  ReservedPorts(const ReservedPorts&) = delete;
  ReservedPorts& operator=(const ReservedPorts&) = delete;
  ~ReservedPorts();

  // Leaves ports and note as they are, for the process that comes after this one.
  void keep() {
    ours_.ports.reset();
  }

 private:
  ReservedPorts(const ReservedPortsNote& ours, std::string note_file, PortListPlaces places);

  ReservedPortsNote ours_;  // no ports: nothing to take back
  std::string note_file_;
  PortListPlaces places_;
};

}  // namespace msi2imds::supervisor
