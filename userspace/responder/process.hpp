// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "base/unique_fd.hpp"
#include "responder/supervisor_link.hpp"
#include "responder/token_service.hpp"

// The process that `msi2imds run` starts to serve clients.
namespace msi2imds::responder {

inline constexpr const char* kProcessName = "msi2imds-responder";  // in the log

// The channel to the supervisor that this process was started with; nothing, when somebody else has started
// it.
[[nodiscard]] std::optional<UniqueFd> take_channel();

using MakeTokenService = std::function<std::unique_ptr<TokenService>(asio::io_context&, SupervisorLink&)>;

// Serves until the supervisor says that it is enough. False: something has ended it before, and the log says
// what.
[[nodiscard]] bool run_process(UniqueFd channel, const MakeTokenService& make_tokens);

}  // namespace msi2imds::responder
