// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/unique_fd.hpp"

namespace msi2imds::emulator {

// How reading ended: with a whole reply, or because the connection did.
enum class End : std::uint8_t { whole, closed, reset, timed_out };

struct RawReply {
  std::string head;
  std::string body;
  End end = End::whole;
  int pieces = 0;  // reads it took

  [[nodiscard]] int status() const;
  [[nodiscard]] std::size_t content_length() const;
};

// A client on the loopback that waits for each answer, ten seconds at most.
class BlockingClient {
 public:
  explicit BlockingClient(std::uint16_t port);

  void send(const std::string& bytes);
  RawReply read_reply();
  RawReply ask(const std::string& bytes) {
    send(bytes);
    return read_reply();
  }

  // Reads to the end of the connection; nothing may come but that. (End::whole: something came.)
  End read_rest();

  [[nodiscard]] bool has_input() const;

 private:
  End receive();

  UniqueFd socket_;
  std::string input_;
};

}  // namespace msi2imds::emulator
