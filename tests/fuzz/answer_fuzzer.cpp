// SPDX-License-Identifier: MIT
// Whatever the bytes of IMDS's answer, and however they are split: the reader makes the same of them, what
// becomes of the answer is something that a legacy client can read, and no failure repeats a part of it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/require.hpp"
#include "http/errors.hpp"
#include "imds/errors.hpp"
#include "imds/match.hpp"
#include "imds/reply.hpp"
#include "legacy/render.hpp"
#include "unit/http/reading.hpp"

namespace {

using namespace msi2imds;
using namespace msi2imds::http;
using fuzz::require;

// Small, so that the fuzzer reaches them.
constexpr AnswerLimits kLimits{.head_bytes = 512, .body_bytes = 1024};

// Stands in place of each '@': a failure must not repeat it.
constexpr std::string_view kSecret = "c4n4ry";

void require_sound(const Outcome& outcome) {
  if (outcome.is_answer) {
    require(outcome.is_done && outcome.status >= 200 && outcome.status < 1000);
    require(outcome.body.size() <= kLimits.body_bytes && outcome.headers.size() <= kLimits.head_bytes);
    require(!outcome.can_be_followed || (outcome.status != 204 && outcome.status != 304));
  } else {
    require(outcome.code == Errc::ended || outcome.code == Errc::not_http || outcome.code == Errc::too_large);
  }
}

// The first byte says where to split; the rest is what the server sends.
void compare(std::string_view bytes, std::size_t size, Then then) {
  const Outcome whole = read_in_pieces(bytes, bytes.size(), then, kLimits);
  require_sound(whole);
  require(!fuzz::contains(whole.failure, kSecret));
  require(read_in_pieces(bytes, 1, then, kLimits) == whole);
  require(read_in_pieces(bytes, size, then, kLimits) == whole);
  require(read_in_two(bytes, size % (bytes.size() + 1), then, kLimits) == whole);
}

std::string with_secret(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c == '@' ? kSecret : std::string_view(&c, 1);
  }
  return out;
}

void require_token(const token::Token& token) {
  const http::Response answer = legacy::render(token, {.now = 1'800'000'000, .expires_on = token.expires_on});
  require(answer.status == 200 && answer.body.find_first_of("\r\n") == std::string::npos);
  const boost::json::object body = fuzz::require_json(answer.body).as_object();
  for (const auto& [name, value] : body) {
    require(value.is_string());
  }
  require(std::string_view(body.at("access_token").as_string()) == std::string_view(token.access_token));
  require(std::string_view(body.at("resource").as_string()) == token.resource);
  require(token.expires_on >= 0 && token.expires_on <= token::kLastSecond);
  require(imds::match(token, {.resource = token.resource, .identity = {}}).is_exact());
}

void require_refusal(const token::Refusal& refusal) {
  const http::Response answer = legacy::render(refusal);
  require(answer.status == refusal.status && answer.body.find_first_of("\r\n") == std::string::npos);
  require(fuzz::require_json(answer.body).at("error").is_string());
}

void interpret(unsigned status, const std::string& body) {
  const token::FetchResult result =
      imds::interpret({.status = status, .content_type = "application/json", .body = body});
  if (!result) {
    const token::Failure failure = result.error();
    require(!fuzz::contains(failure.error.message(), kSecret));
    require(!fuzz::contains(legacy::upstream_failure(failure.error.message()).body, kSecret));
  } else if (const auto* token = std::get_if<std::shared_ptr<const token::Token>>(&*result);
             token != nullptr) {
    require(status == 200);
    require_token(**token);
  } else {
    require_refusal(std::get<token::Refusal>(*result));
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const std::string input = with_secret(fuzz::view_of(bytes + 1, size - 1));
  compare(input, bytes[0] + std::size_t{1}, Then::goes_on);
  compare(input, bytes[0] + std::size_t{1}, Then::ends);
  interpret(200, input);
  interpret(400, input);
  const Outcome outcome = read_in_pieces(input, input.size(), Then::ends, kLimits);
  if (outcome.is_answer) {
    interpret(outcome.status, outcome.body);
  }
  return 0;
}
