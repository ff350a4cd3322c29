// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace msi2imds::redirect {

// The files that a firewall loads at boot and in which rules of ours stand: they were saved while these were
// in force. Loaded without us, they lead callers to nobody.
[[nodiscard]] std::vector<std::string> files_with_our_rules(const std::string& etc = "/etc");

}  // namespace msi2imds::redirect
