// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "http/message.hpp"
#include "legacy/parameters.hpp"

// The old endpoint's dialect: what its clients send, and the answers they understand.
namespace msi2imds::legacy {

struct Rules {
  bool require_metadata_header = true;
  std::vector<std::string> extra_hosts;  // names by which the loopback is called besides the stock ones
};

// What a request asks for, or the first thing that is wrong with it. `room` is memory for the resource.
[[nodiscard]] ParseResult parse(const http::Request& request, const Rules& rules, std::string room = {});

}  // namespace msi2imds::legacy
