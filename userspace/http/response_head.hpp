// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "http/message.hpp"

namespace msi2imds::http {

// Status line and headers of an answer to a request of HTTP/1.0 (`version` 10) or 1.1 (11), the empty line
// included. `close`: nothing follows over this connection.
void append_head(std::string& out, const Response& response, bool close, unsigned version);

}  // namespace msi2imds::http
