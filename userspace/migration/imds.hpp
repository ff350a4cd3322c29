// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "config/config.hpp"
#include "http/client.hpp"
#include "token/token_source.hpp"

// The questions that commands ask IMDS themselves, once each, without cache and retries. They block.
namespace msi2imds::migration {

// A resource that every tenant has, for questions that are about no resource in particular.
inline constexpr const char* kUsualResource = "https://management.azure.com/";

// What Azure calls this machine (/metadata/instance).
struct Instance {
  std::string subscription;
  std::string resource_group;
  std::string name;
  std::string scale_set;  // empty: it belongs to none
};

// An IMDS that answers, whatever it says.
struct ReachedImds {
  std::optional<std::chrono::seconds> clock_ahead;  // how far this machine's clock is; negative: behind
  Result<Instance> instance;
};

// Fails only where IMDS answers neither that question nor one for a token, which it does apart: tokens come
// also where the names of the machine are refused, or too many have asked for them.
[[nodiscard]] Result<ReachedImds> reach_imds(const config::Imds& imds);

[[nodiscard]] Result<Instance> ask_instance(const config::Imds& imds);

[[nodiscard]] token::FetchResult ask_token(const config::Imds& imds, const token::TokenRequest& request);

// What such an answer means, IMDS's or the extension's.
[[nodiscard]] token::FetchResult read_token(http::Answer answer);

}  // namespace msi2imds::migration
