// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "migration/verify.hpp"

namespace msi2imds::cli {

// What `verify` found.
struct Verification {
  std::vector<migration::Comparison> comparisons;
  bool is_guess = false;  // nothing was seen in use: what was asked for is only usual

  [[nodiscard]] bool is_good() const;
};

[[nodiscard]] std::string summary_of(const Verification& verification);

// Compares these requests, or without any those that were seen in use.
[[nodiscard]] Verification verify_all(const config::Config& config,
                                      std::vector<token::TokenRequest> requests);

// For commands that handle tokens.
void keep_secrets_out_of_core_dumps();

}  // namespace msi2imds::cli
