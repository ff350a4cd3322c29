// SPDX-License-Identifier: MIT
// Whatever the bytes of an answer, and however they are split: the reader makes the same of them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http/errors.hpp"
#include "unit/http/reading.hpp"

namespace {

using namespace msi2imds::http;

// Small, so that the fuzzer reaches them.
constexpr AnswerLimits kLimits{.head_bytes = 512, .body_bytes = 256};

// A failed check has to stop the fuzzer in a build of any kind.
void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

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
  require(read_in_pieces(bytes, 1, then, kLimits) == whole);
  require(read_in_pieces(bytes, size, then, kLimits) == whole);
  require(read_in_two(bytes, size % (bytes.size() + 1), then, kLimits) == whole);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const std::string_view input(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  compare(input, bytes[0] + std::size_t{1}, Then::goes_on);
  compare(input, bytes[0] + std::size_t{1}, Then::ends);
  return 0;
}
