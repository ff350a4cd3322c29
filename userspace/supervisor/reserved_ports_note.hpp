// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/error.hpp"
#include "supervisor/port_list.hpp"

namespace msi2imds::supervisor {

// The ports that the note at `path` names. None without a note, nor (with a warning in the log) when it is no
// regular file, others could have written it, or it is damaged. Links are not followed.
[[nodiscard]] PortSet read_note(const std::string& path);

// Puts a note that only its owner can read in the place of whatever stood there; no ports: no note.
[[nodiscard]] Result<void> write_note(const std::string& path, const PortSet& ports);

}  // namespace msi2imds::supervisor
