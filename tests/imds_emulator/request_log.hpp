// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/array.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "imds_emulator/question.hpp"
#include "imds_emulator/request.hpp"

namespace msi2imds::emulator {

// The last token requests, in the order in which they came. A request is there from its arrival on.
class RequestLog {
 public:
  static constexpr std::size_t kCapacity = 1000;
  using Id = std::uint64_t;

  Id add(const Request& request, const Question& question, std::uint16_t source_port,
         std::chrono::system_clock::time_point now);

  // Does nothing when the entry has been pushed out since.
  void set_status(Id id, unsigned status);

  void clear();
  [[nodiscard]] boost::json::array to_json() const;

 private:
  struct Entry {
    std::chrono::system_clock::time_point time;
    std::string method;
    std::string target;
    std::string resource;
    SelectorKind selector_kind = SelectorKind::none;
    std::string selector;
    std::vector<Header> headers;
    unsigned status = 0;  // 0: not answered
    std::uint16_t source_port = 0;
  };
  static boost::json::object to_json(const Entry& entry);

  std::vector<Entry> entries_;  // a ring: entry `id` is at id % kCapacity, and its memory is used again
  Id first_ = 0;
  Id next_ = 0;
};

}  // namespace msi2imds::emulator
