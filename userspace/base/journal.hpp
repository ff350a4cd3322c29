// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace msi2imds::log {

// journald's native protocol: a datagram for each line, with its fields. It never waits.
class Journal {
 public:
  // Connects to `socket` where stderr is a stream to journald ($JOURNAL_STREAM); else send() takes nothing. A
  // process calls it before it is confined, and only the first call does anything.
  void open(const std::string& socket);

  [[nodiscard]] bool is_open() const {
    return static_cast<bool>(socket_);
  }

  // Sends a line, whose fields append_field() has written. False: journald did not get it, so that it has to
  // go another way. So it does in a child process, which may have another file by the socket's number.
  [[nodiscard]] bool send(std::string_view entry) const;

 private:
  UniqueFd socket_;
  int owner_ = 0;  // the process
  bool tried_ = false;
};

// An empty value is left out.
void append_field(std::string& entry, std::string_view name, std::string_view value);

}  // namespace msi2imds::log
