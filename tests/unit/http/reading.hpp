// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/answer_reader.hpp"

// What an AnswerReader makes of bytes that come in pieces, to be compared; for tests and the fuzzer.
namespace msi2imds::http {

struct Outcome {
  bool is_done = false;
  bool is_answer = false;
  boost::system::error_code code;
  std::string failure;
  unsigned status = 0;
  std::string headers;
  std::string body;
  bool can_be_followed = false;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

enum class Then : std::uint8_t { goes_on, ends };

inline Outcome outcome_of(AnswerReader& reader, Then then) {
  if (then == Then::ends) {
    reader.end();
  }
  Outcome outcome;
  outcome.is_done = reader.is_done();
  const Result<Answer> answer = reader.take();
  outcome.is_answer = answer.has_value();
  if (!answer) {
    outcome.code = answer.error().code();
    outcome.failure = answer.error().message();
    return outcome;
  }
  outcome.status = answer->status;
  for (const Header& header : answer->headers) {
    outcome.headers += header.name + ":" + header.value + "\n";
  }
  outcome.body = answer->body;
  outcome.can_be_followed = answer->can_be_followed;
  return outcome;
}

inline Outcome read_in_pieces(std::string_view bytes, std::size_t size, Then then,
                              const AnswerLimits& limits = {}) {
  AnswerReader reader(limits);
  while (!bytes.empty()) {
    reader.feed(bytes.substr(0, size));
    bytes.remove_prefix(std::min(size, bytes.size()));
  }
  return outcome_of(reader, then);
}

inline Outcome read_in_two(std::string_view bytes, std::size_t at, Then then,
                           const AnswerLimits& limits = {}) {
  AnswerReader reader(limits);
  reader.feed(bytes.substr(0, at));
  reader.feed(bytes.substr(at));
  return outcome_of(reader, then);
}

}  // namespace msi2imds::http
