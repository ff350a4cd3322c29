// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "supervisor/port_list.hpp"

namespace msi2imds::supervisor {

inline constexpr const char* kReservedPortsFile = "/proc/sys/net/ipv4/ip_local_reserved_ports";

// Ports that the kernel gives to no outgoing connection as its source port. What others have reserved stays
// as it is, also when they change it meanwhile. Destroying it takes back what it added, unless keep() was
// called.
class ReservedPorts {
 public:
  // Which ports we added is noted in `note_file` (0600, replaced as a whole), so that a later process can
  // take them back. The note belongs into a directory that a reboot empties, as it does the kernel's list. A
  // note that is already there is taken over: of its ports, those not in `ports` are taken back. To change
  // the ports, keep() the old object and reserve anew. Without `sysctl_file` (an old kernel) nothing is
  // reserved.
  [[nodiscard]] static Result<ReservedPorts> reserve(const std::vector<std::uint16_t>& ports,
                                                     std::string note_file,
                                                     std::string sysctl_file = kReservedPortsFile);

  // Takes back what the note names; false: there was nothing to take back.
  [[nodiscard]] static Result<bool> take_back(const std::string& note_file,
                                              const std::string& sysctl_file = kReservedPortsFile);

  ReservedPorts(ReservedPorts&& other) noexcept;
  ReservedPorts& operator=(ReservedPorts&&) = delete;
  ReservedPorts(const ReservedPorts&) = delete;
  ReservedPorts& operator=(const ReservedPorts&) = delete;
  ~ReservedPorts();

  // Leaves ports and note as they are, for the process that comes after this one.
  void keep() {
    ours_.reset();
  }

 private:
  ReservedPorts(const PortSet& ours, std::string note_file, std::string sysctl_file);

  PortSet ours_;  // none: nothing to take back
  std::string note_file_;
  std::string sysctl_file_;
};

}  // namespace msi2imds::supervisor
