// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include "imds_emulator/identities.hpp"
#include "imds_emulator/question.hpp"
#include "imds_emulator/reply.hpp"
#include "imds_emulator/token_factory.hpp"

namespace msi2imds::emulator {

// /metadata/identity/oauth2/token, free of connections and faults.
class TokenEndpoint {
 public:
  TokenEndpoint(const IdentityOptions& identities, const TokenOptions& tokens)
      : identities_(identities), tokens_(tokens) {}

  [[nodiscard]] Reply answer(const Question& question, std::chrono::sys_seconds now);

  [[nodiscard]] const Identities& identities() const {
    return identities_;
  }
  // To assign and take away identities at run time.
  [[nodiscard]] Identities& identities() {
    return identities_;
  }
  [[nodiscard]] const TokenFactory& tokens() const {
    return tokens_;
  }

 private:
  Identities identities_;
  TokenFactory tokens_;
};

}  // namespace msi2imds::emulator
