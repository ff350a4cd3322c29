// SPDX-License-Identifier: MIT
#include "http/answer_reader.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.hpp"
#include "http/errors.hpp"
#include "http/framing.hpp"

namespace msi2imds::http {
namespace {

constexpr std::string_view kVersion = "HTTP/1.";
constexpr std::string_view kWhiteSpaceInLine = " \t";
constexpr unsigned kSwitchingProtocols = 101;
constexpr unsigned kNoContent = 204;
constexpr unsigned kNotModified = 304;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// RFC 9110, section 5.6.2.
bool is_token(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_letter(c) || is_digit(c) || kMarks.find(c) != std::string_view::npos;
  });
}

bool is_clean(std::string_view text) {
  return std::ranges::none_of(text, [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

// In a list such as "keep-alive, Foo".
bool lists(std::string_view list, std::string_view option) {
  while (true) {
    const std::size_t comma = list.find(',');
    if (equal_ignoring_case(trim(list.substr(0, comma), kWhiteSpaceInLine), option)) {
      return true;
    }
    if (comma == std::string_view::npos) {
      return false;
    }
    list.remove_prefix(comma + 1);
  }
}

bool is_interim(unsigned status) {
  return status < 200;
}

}  // namespace

AnswerReader::AnswerReader(const AnswerLimits& limits)
    : head_room_(limits.head_bytes), body_room_(limits.body_bytes) {}

void AnswerReader::feed(std::string_view bytes) {
  has_begun_ = has_begun_ || !bytes.empty();
  while (!bytes.empty() && !is_done()) {
    bytes.remove_prefix(reads_a_line() ? take_line_part(bytes) : take_body_part(bytes));
  }
  if (!bytes.empty()) {
    answer_.can_be_followed = false;
  }
}

void AnswerReader::end() {
  if (part_ == Part::body_to_end) {
    part_ = Part::complete;
  } else if (!is_done()) {
    fail(Errc::ended, "read an answer");
  }
}

Result<Answer> AnswerReader::take() {
  if (part_ == Part::complete) {
    return std::move(answer_);
  }
  return part_ == Part::failed ? failure_ : Error(Errc::ended, "read an answer");
}

bool AnswerReader::reads_a_line() const {
  return part_ != Part::counted_body && part_ != Part::body_to_end && part_ != Part::chunk;
}

// False, and a failure, when there is not so much room.
bool AnswerReader::spend(std::size_t& room, std::uint64_t bytes) {
  if (bytes > room) {
    fail(Errc::too_large, "read an answer");
    return false;
  }
  room -= static_cast<std::size_t>(bytes);
  return true;
}

std::size_t AnswerReader::take_line_part(std::string_view bytes) {
  const std::size_t line_feed = bytes.find('\n');
  const std::string_view part =
      bytes.substr(0, line_feed == std::string_view::npos ? line_feed : line_feed + 1);
  const bool around_chunks = part_ == Part::chunk_size || part_ == Part::chunk_end;
  std::size_t& room = around_chunks ? body_room_ : head_room_;
  line_.append(part.substr(0, room));
  if (part_ == Part::status_line &&
      !kVersion.starts_with(std::string_view(line_).substr(0, kVersion.size()))) {
    fail(Errc::not_http, "read an answer that does not begin with HTTP/1");
    return part.size();
  }
  if (!spend(room, part.size())) {
    return part.size();
  }
  if (line_feed != std::string_view::npos && !line_.ends_with("\r\n")) {
    fail(Errc::not_http, "read a line that ends with a bare line feed");
  } else if (line_feed != std::string_view::npos) {
    const std::string line = std::exchange(line_, {});
    read_line(std::string_view(line).substr(0, line.size() - 2));
  }
  return part.size();
}

std::size_t AnswerReader::take_body_part(std::string_view bytes) {
  if (part_ == Part::body_to_end) {
    if (spend(body_room_, bytes.size())) {
      answer_.body.append(bytes);
    }
    return bytes.size();
  }
  const std::string_view part = bytes.substr(0, remaining_);
  answer_.body.append(part);
  remaining_ -= part.size();
  if (remaining_ == 0) {
    part_ = part_ == Part::chunk ? Part::chunk_end : Part::complete;
  }
  return part.size();
}

void AnswerReader::read_line(std::string_view line) {
  if (!is_clean(line)) {
    fail(Errc::not_http, "read a line with a control character");
    return;
  }
  switch (part_) {
    case Part::status_line:
      read_status_line(line);
      break;
    case Part::headers:
    case Part::trailers:
      read_header_line(line);
      break;
    case Part::chunk_size:
      read_chunk_size(line);
      break;
    case Part::chunk_end:
      part_ = Part::chunk_size;
      if (!line.empty()) {
        fail(Errc::not_http, "read a chunk that is longer than it says");
      }
      break;
    default:  // are no lines
      break;
  }
}

void AnswerReader::read_status_line(std::string_view line) {
  constexpr std::size_t kStatusAt = 9;  // behind "HTTP/1.1 "
  constexpr std::size_t kStatusEnd = kStatusAt + 3;
  const bool is_whole = line.size() >= kStatusEnd && (line[7] == '0' || line[7] == '1') && line[8] == ' ' &&
                        std::ranges::all_of(line.substr(kStatusAt, 3), is_digit) && line[kStatusAt] != '0' &&
                        (line.size() == kStatusEnd || line[kStatusEnd] == ' ');
  if (!is_whole) {
    fail(Errc::not_http, "read a status line of HTTP/1.0 or HTTP/1.1");
    return;
  }
  version_ = line[7] == '0' ? 10 : 11;
  (void)std::from_chars(line.data() + kStatusAt, line.data() + kStatusEnd, answer_.status);
  part_ = Part::headers;
  if (answer_.status == kSwitchingProtocols) {
    fail(Errc::not_http, "read an answer that switches to another protocol (101)");
  } else if (is_interim(answer_.status) && ++interim_answers_ > kMaxInterimAnswers) {
    fail(Errc::not_http, "read more than " + std::to_string(kMaxInterimAnswers) + " interim answers (1xx)");
  }
}

void AnswerReader::read_header_line(std::string_view line) {
  if (!line.empty()) {
    read_header(line);
  } else if (part_ == Part::headers) {
    end_head();
  } else {
    part_ = Part::complete;
  }
}

// Trailers are looked at and dropped: they come after whatever decided about the answer.
void AnswerReader::read_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (line.front() == ' ' || line.front() == '\t') {
    fail(Errc::not_http, "read a header line that is folded");
  } else if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    fail(Errc::not_http, "read a header line");
  } else if (part_ == Part::headers) {
    answer_.headers.push_back({.name = std::string(line.substr(0, colon)),
                               .value = std::string(trim(line.substr(colon + 1), kWhiteSpaceInLine))});
  }
}

void AnswerReader::end_head() {
  notice_connection_options();
  if (is_interim(answer_.status)) {
    end_interim_head();
  } else {
    begin_body();
  }
}

// An interim answer ends with its head (RFC 9110, section 15.2); one that promises a body could be read
// otherwise.
void AnswerReader::end_interim_head() {
  const BodyLength length = body_length(answer_.headers, version_);
  answer_ = {};
  says_keep_alive_ = false;
  part_ = Part::status_line;
  if (length.fault != nullptr || length.kind == BodyLength::Kind::chunked || length.bytes > 0) {
    fail(Errc::not_http, "read an interim answer (1xx) with a body");
  }
}

void AnswerReader::begin_body() {
  const BodyLength length = body_length(answer_.headers, version_);
  if (length.fault != nullptr) {
    fail(Errc::not_http, length.fault);
    return;
  }
  if (answer_.status == kNoContent || answer_.status == kNotModified) {
    part_ = Part::complete;  // without a body whatever else it says, so that nobody knows what may follow
    return;
  }
  if (length.kind == BodyLength::Kind::unsaid) {
    part_ = Part::body_to_end;
    return;
  }
  answer_.can_be_followed = !says_close_ && (version_ == 11 || says_keep_alive_);
  if (length.kind == BodyLength::Kind::chunked) {
    part_ = Part::chunk_size;
  } else if (spend(body_room_, length.bytes)) {
    remaining_ = length.bytes;
    answer_.body.reserve(length.bytes);
    part_ = length.bytes == 0 ? Part::complete : Part::counted_body;
  }
}

void AnswerReader::read_chunk_size(std::string_view line) {
  const char* const line_end = line.data() + line.size();
  std::size_t size = 0;
  const auto [end, ec] = std::from_chars(line.data(), line_end, size, 16);
  if (ec != std::errc() || (end != line_end && *end != ';')) {
    fail(Errc::not_http, "read the size of a chunk");
  } else if (size == 0) {
    part_ = Part::trailers;
  } else if (spend(body_room_, size)) {
    remaining_ = size;
    part_ = Part::chunk;
  }
}

void AnswerReader::notice_connection_options() {
  for (const Header& header : answer_.headers) {
    if (equal_ignoring_case(header.name, "Connection")) {
      says_close_ = says_close_ || lists(header.value, "close");
      says_keep_alive_ = says_keep_alive_ || lists(header.value, "keep-alive");
    }
  }
}

void AnswerReader::fail(boost::system::error_code code, std::string reason) {
  part_ = Part::failed;
  failure_ = Error(code, std::move(reason));
  answer_ = {};
}

}  // namespace msi2imds::http
