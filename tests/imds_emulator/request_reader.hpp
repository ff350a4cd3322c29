// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/asio.hpp"
#include "imds_emulator/request.hpp"

namespace msi2imds::emulator {

// Takes requests off one connection, one after the other.
class RequestReader {
 public:
  enum class Outcome : std::uint8_t { request, malformed, closed };

  explicit RequestReader(asio::ip::tcp::socket& socket) : socket_(socket), input_(kFirstSize, '\0') {}

  // Waits for the next request; memory of the one before is used again.
  asio::awaitable<Outcome> read();

  [[nodiscard]] const Request& request() const {
    return request_;
  }

  // After Outcome::malformed: what was wrong, and with which request line.
  [[nodiscard]] const std::string& failure() const {
    return failure_;
  }
  [[nodiscard]] std::string_view first_line() const {
    return first_line_;
  }

 private:
  static constexpr std::size_t kFirstSize = 4096;
  class Parser;

  asio::awaitable<bool> receive();
  void make_room();
  void remember_first_line();

  asio::ip::tcp::socket& socket_;
  std::string input_;
  std::size_t begin_ = 0;  // received and not yet parsed: [begin_, end_) of input_
  std::size_t end_ = 0;
  Request request_;
  std::string failure_;
  std::string first_line_;
};

}  // namespace msi2imds::emulator
