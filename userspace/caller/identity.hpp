// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace msi2imds::caller {

// Everything known of who made a connection. What is empty is not known, and `unknown_because` says why.
// Texts are as the caller chose them: whoever shows one escapes it.
struct Identity {
  // What is known contradicts itself, or could not be confirmed: no rule may go by any of it.
  bool is_in_doubt = false;
  std::optional<uid_t> uid;  // who dialled; where that was not seen, who made the socket
  std::string user;          // the name of the uid
  std::optional<pid_t> pid;  // the process that dialled
  std::vector<gid_t> gids;   // its effective group when it dialled, then its supplementary ones
  std::string comm;
  std::string program;  // path of its executable
  // The path names the same file (device and inode) in the machine's mount namespace or ours, and the process
  // lives there: only then may a rule go by it.
  bool program_is_verified = false;
  std::string sha256;                // of that executable's content, where a rule asks for it
  std::string command_line;          // secrets taken out, shortened
  std::string cgroup;                // whole path of the socket's cgroup
  std::string unit;                  // the system manager's unit in that path
  std::string container;             // the container's id in that path
  std::string container_name = {};   // as its runtime has noted it: "web", "NAMESPACE/POD/CONTAINER"
  std::string container_image = {};  // the same
  // Nobody but root could have named that cgroup so: only then may a rule go by it.
  bool container_is_verified = false;
  std::string unknown_because;

  friend bool operator==(const Identity&, const Identity&) = default;
};

// No serialized identity is longer.
inline constexpr std::size_t kLongestIdentity = std::size_t{64} * 1024;

// The identity for another process of this program. A text that no kernel would give, of more than 6000
// bytes, is left out; the command line is cut there.
[[nodiscard]] std::string serialize(const Identity& identity);
// Fails with EPROTO for anything that serialize() does not write.
[[nodiscard]] Result<Identity> parse_identity(std::string_view serialized);

}  // namespace msi2imds::caller
