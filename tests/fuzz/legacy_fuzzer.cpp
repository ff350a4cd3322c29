// SPDX-License-Identifier: MIT
// Whatever the bytes: the parser reads them without harm, what it reads goes one way, and each answer is one
// line that a legacy client can read.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/journey.hpp"
#include "fuzz/require.hpp"
#include "legacy/parse.hpp"
#include "legacy/render.hpp"
#include "unit/legacy/raw_request.hpp"

namespace {

using namespace msi2imds;
using fuzz::require;

void require_legacy_error(const http::Response& response) {
  require(response.status >= 400);
  require(response.body.find_first_of("\r\n") == std::string::npos);
  const boost::json::value body = fuzz::require_json(response.body);
  require(body.at("error").is_string());
}

void require_sound(const token::TokenRequest& request) {
  require(!request.resource.empty() && !fuzz::has_control_character(request.resource) &&
          !fuzz::has_control_character(request.identity.value));
  require((request.identity.kind == token::SelectorKind::none) == request.identity.value.empty());
  fuzz::follow(request);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const http::Request request = legacy::split_request(fuzz::view_of(bytes, size));
  const auto result = legacy::parse(request, legacy::Rules());
  if (result) {
    require_sound(*result);
  } else {
    require(result.error().description.size() < 1024);
    require_legacy_error(legacy::render(result.error()));
  }
  // Guards and targets stop most inputs before their parameters are read.
  if (const auto parameters = legacy::read_parameters(request.target, request.body)) {
    require_sound(*parameters);
  }
  require_legacy_error(legacy::render(token::Refusal{.status = 400, .body = request.body}));
  return 0;
}
