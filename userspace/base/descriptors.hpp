// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace msi2imds {

// Writes all of `text`, however many calls that takes; `doing` is what an error says ("write 'PATH'").
[[nodiscard]] Result<void> write_all(int fd, std::string_view text, const std::string& doing);

// Closes all descriptors above stderr but `kept`. For children that must hold no socket open: callers would
// wait in its backlog for nobody.
void close_all_but(std::vector<int> kept);

}  // namespace msi2imds
