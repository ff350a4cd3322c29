// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "supervisor/port_list.hpp"

namespace msi2imds::supervisor {

// What tells one list of ports from another.
[[nodiscard]] std::uint64_t mark_of(const PortSet& list);

struct ReservedPortsNote {
  PortSet ports;                                     // that we added
  std::optional<std::uint64_t> list = std::nullopt;  // the mark of the list with them
};

// What the note at `path` says. Nothing without a note, nor (with a warning in the log) when it is no
// regular file, others could have written it, or it is damaged. Links are not followed.
[[nodiscard]] ReservedPortsNote read_note(const std::string& path);

// Puts a note that only its owner can read in the place of whatever stood there; no ports: no note.
[[nodiscard]] Result<void> write_note(const std::string& path, const ReservedPortsNote& note);

}  // namespace msi2imds::supervisor
