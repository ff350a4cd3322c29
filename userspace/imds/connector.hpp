// SPDX-License-Identifier: MIT
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::imds {

// Makes sockets to IMDS: in the responder by asking the supervisor, in tests directly.
class Connector {
 public:
  Connector() = default;
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;
  virtual ~Connector() = default;

  // A non-blocking TCP socket whose connect to IMDS has begun (it becomes writable when that is over).
  virtual asio::awaitable<Result<UniqueFd>> open() = 0;
};

}  // namespace msi2imds::imds
