// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

#include "imds_emulator/identities.hpp"
#include "imds_emulator/reply.hpp"
#include "imds_emulator/request.hpp"

namespace msi2imds::emulator {

// What a token request asks for, as far as it can be read, and the refusal if its form is wrong.
struct Question {
  std::string resource;
  SelectorKind selector_kind = SelectorKind::none;
  std::string selector;
  bool bypass_cache = false;
  std::optional<Reply> refusal;
};

[[nodiscard]] Question parse_question(const Request& request);

// The rules for everything below /metadata/: who may ask, and how.
[[nodiscard]] std::optional<Reply> find_form_fault(const Request& request);

[[nodiscard]] bool is_known_api_version(std::string_view version);

}  // namespace msi2imds::emulator
