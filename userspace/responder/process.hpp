// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "base/unique_fd.hpp"
#include "responder/cage.hpp"
#include "responder/supervisor_link.hpp"
#include "responder/token_service.hpp"

// The process that `msi2imds run` starts to serve clients.
namespace msi2imds::responder {

inline constexpr const char* kProcessName = "msi2imds-responder";  // in the log

// Where the supervisor puts them: its channel, and the empty directory.
inline constexpr int kChannelFd = 3;
inline constexpr int kEmptyDirectoryFd = 4;

// The channel to the supervisor that this process was started with; nothing, when somebody else has started
// it.
[[nodiscard]] std::optional<UniqueFd> take_channel();

using MakeTokenService = std::function<std::unique_ptr<TokenService>(asio::io_context&, SupervisorLink&)>;

// Confines itself (enter_cage), then serves until the supervisor says that it is enough. False: something has
// ended it before, and the log says what.
[[nodiscard]] bool run_process(UniqueFd channel, const MakeTokenService& make_tokens,
                               std::optional<Destiny> destiny);

}  // namespace msi2imds::responder
