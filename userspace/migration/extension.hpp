// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "config/config.hpp"
#include "token/token_source.hpp"

namespace msi2imds::migration {

// Asks the extension itself on this legacy port, around our own redirection: a client that is bound to
// redirect.listen_port is left alone. Fails when it was our own responder that answered: where the extension
// cannot be reached there is nothing to compare. Needs root. Blocks.
[[nodiscard]] token::FetchResult ask_extension(const config::Config& config, std::uint16_t port,
                                               const token::TokenRequest& request);

}  // namespace msi2imds::migration
