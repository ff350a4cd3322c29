// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace msi2imds {

// Writes lines to a descriptor whose reader may have stopped reading, and never waits for it: lines that
// cannot be written now are kept, up to a limit. Whatever is read arrives in whole lines and in order.
class LineWriter {
 public:
  static constexpr std::size_t kMostWaiting = std::size_t{256} * 1024;

  // `descriptor` stays the caller's. Where it is a pipe or a terminal and we may open it anew, that number
  // gets an open file description of its own, which does not block: so whoever shares the old one keeps it as
  // it was, and all who inherit the number do not block either.
  explicit LineWriter(int descriptor);

  // Looks at the descriptor again, which may be another file by now.
  void look_again();

  // Whether there is room for a line of so many bytes.
  [[nodiscard]] bool has_room_for(std::size_t bytes) const {
    return waiting() + bytes <= kMostWaiting;
  }
  [[nodiscard]] std::size_t waiting() const {
    return queue_.size() - written_;
  }

  // Whether what was written last has got lost, for instance because its reader has ended.
  [[nodiscard]] bool fails() const {
    return fails_;
  }

  // Takes a line with its line feed, for which there has to be room, and writes what can be written.
  void write(std::string_view line);

  // Writes what waits, as far as that is possible now.
  void flush();

  // Drops what waits. For a child process, whose parent writes the lines that both have.
  void forget();

 private:
  enum class Kind { file, pipe, socket };

  [[nodiscard]] ssize_t write_some(std::string_view bytes) const;

  int descriptor_;
  Kind kind_ = Kind::file;
  std::string queue_;
  std::size_t written_ = 0;  // of queue_
  bool fails_ = false;
};

}  // namespace msi2imds
