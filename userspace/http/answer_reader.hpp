// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "http/message.hpp"

namespace msi2imds::http {

// What one answer may cost, interim answers included.
struct AnswerLimits {
  std::size_t head_bytes = 16UL * 1024;    // heads and trailers, all together
  std::size_t body_bytes = 1024UL * 1024;  // with the lines around its chunks
};

// RFC 9110, section 15.2: a client has to expect interim answers, but nobody needs many.
inline constexpr unsigned kMaxInterimAnswers = 8;

// Reads the answer to one GET out of a connection's bytes, however they are split. Interim answers (1xx) are
// skipped; whatever two readers could understand differently is an error (http::Errc). It does no I/O and
// holds no clock: time is up to whoever feeds it.
class AnswerReader {
 public:
  explicit AnswerReader(const AnswerLimits& limits = {});

  // Takes the next bytes; those behind the answer only keep the connection from being used again.
  void feed(std::string_view bytes);

  // The server sends no more: the end of an answer without a length, and too early for any other.
  void end();

  // Whether there is an answer, or a failure; nothing more needs to be fed.
  [[nodiscard]] bool is_done() const {
    return part_ == Part::complete || part_ == Part::failed;
  }

  // Whether a byte was seen.
  [[nodiscard]] bool has_begun() const {
    return has_begun_;
  }

  // The final answer, or why there is none. Gives the answer away: once.
  [[nodiscard]] Result<Answer> take();

 private:
  enum class Part : std::uint8_t {
    status_line,
    headers,
    counted_body,
    body_to_end,
    chunk_size,
    chunk,
    chunk_end,
    trailers,
    complete,
    failed,
  };

  [[nodiscard]] bool reads_a_line() const;
  std::size_t take_line_part(std::string_view bytes);
  std::size_t take_body_part(std::string_view bytes);
  bool spend(std::size_t& room, std::uint64_t bytes);
  void read_line(std::string_view line);
  void read_status_line(std::string_view line);
  void read_header_line(std::string_view line);
  void read_header(std::string_view line);
  void end_head();
  void end_interim_head();
  void begin_body();
  void read_chunk_size(std::string_view line);
  void notice_connection_options();
  void fail(boost::system::error_code code, std::string reason);

  Part part_ = Part::status_line;
  std::string line_;  // as far as it has come
  Answer answer_;
  Error failure_;
  std::size_t head_room_;
  std::size_t body_room_;
  std::uint64_t remaining_ = 0;  // of a counted body or a chunk
  unsigned interim_answers_ = 0;
  unsigned version_ = 11;
  bool has_begun_ = false;
  bool says_close_ = false;
  bool says_keep_alive_ = false;
};

}  // namespace msi2imds::http
