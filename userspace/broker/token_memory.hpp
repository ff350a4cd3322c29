// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "broker/room.hpp"
#include "broker/token_record.hpp"

namespace msi2imds::broker {

// Tokens, and from when IMDS may be asked again, in a file of anonymous memory that outlasts this process.
// What is found there is read like anything from outside: whoever had it before may have ended in the middle
// of a write, or may have been taken over. Without a file nothing is kept.
//
// The file: a header, a directory of places, and the records that they point at. A place is written after its
// record and holds its check sum, so that a record counts as a whole or not at all; and no caller's text can
// be taken for a place, wherever a write has ended.
class TokenMemory {
 public:
  using Place = std::uint32_t;
  struct Found {
    Place place = 0;
    TokenRecord record;
  };

  TokenMemory() = default;
  TokenMemory(const TokenMemory&) = delete;
  TokenMemory& operator=(const TokenMemory&) = delete;
  ~TokenMemory();

  // Keeps tokens of `issuer` in `file` from here on, and returns those that it holds. What is damaged is
  // overwritten: all of it, where the file is of another version or of another issuer. Fails where it cannot
  // be used; nothing is kept then.
  [[nodiscard]] Result<std::vector<Found>> open(UniqueFd file, std::string_view issuer, const Moment& now);

  [[nodiscard]] bool is_open() const {
    return static_cast<bool>(file_);
  }

  // Keeps nothing from here on. The file stays as it is.
  void close();

  // Nothing: there is no room, or no file.
  [[nodiscard]] std::optional<Place> put(const TokenRecord& record);

  // Overwrites what was put there.
  void wipe(Place place);

  // IMDS is not to be asked before that; nothing: nobody knows of such a time.
  void note_next_request(SteadyTime time);
  [[nodiscard]] std::optional<SteadyTime> next_request() const;

 private:
  struct Entry;
  struct Directory;

  void map();
  [[nodiscard]] std::uint64_t laid_out_size() const;
  Result<void> begin_anew();
  Result<std::vector<Found>> lay_out_anew(std::vector<Found> found);
  [[nodiscard]] Directory read_directory() const;
  [[nodiscard]] std::optional<TokenRecord> read_record(const Entry& entry, const Moment& now) const;
  Result<std::vector<Found>> take_over(const Moment& now);
  Result<void> find_room();
  void find_places();
  bool write(std::uint64_t at, std::string_view bytes);
  void clear(Place place);
  void lock_up_to(std::uint64_t end);

  UniqueFd file_;
  std::uint64_t size_ = 0;
  std::uint32_t issuer_sum_ = 0;
  void* mapped_ = nullptr;  // for the lock alone: touching a page that cannot be had would end the process
  std::uint64_t mapped_size_ = 0;
  std::uint64_t locked_up_to_ = 0;
  std::map<Place, Extent> records_;
  Room room_;    // for records, in bytes
  Room places_;  // that are free
};

}  // namespace msi2imds::broker
