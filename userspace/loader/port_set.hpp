// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "abi.h"

namespace msi2imds::loader {

// Adds ports to a set that was zeroed before.
inline void add_ports(port_set& set, const std::vector<std::uint16_t>& ports) {
  for (const std::uint16_t port : ports) {
    set.words[port / PORT_SET_WORD_BITS] |= std::uint64_t{1} << (port % PORT_SET_WORD_BITS);
  }
}

}  // namespace msi2imds::loader
