// SPDX-License-Identifier: MIT
// Whatever the bytes: the parser reads them without harm, and each answer is one line that a legacy client
// can read.
#include <algorithm>
#include <boost/json/parse.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "legacy/parse.hpp"
#include "legacy/render.hpp"
#include "unit/legacy/raw_request.hpp"

namespace {

using namespace msi2imds;

// A failed check has to stop the fuzzer in a build of any kind.
void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void require_legacy_error(const http::Response& response) {
  require(response.status >= 400);
  require(response.body.find_first_of("\r\n") == std::string::npos);
  const boost::json::value body = boost::json::parse(response.body);
  require(body.at("error").is_string());
}

bool is_clean(std::string_view value) {
  return std::ranges::none_of(value, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

void require_sound(const token::TokenRequest& request) {
  require(!request.resource.empty() && is_clean(request.resource) && is_clean(request.identity.value));
  require((request.identity.kind == token::SelectorKind::none) == request.identity.value.empty());
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const http::Request request = legacy::split_request(input);
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
