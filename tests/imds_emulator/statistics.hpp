// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>

#include "imds_emulator/sliding_maximum.hpp"

namespace msi2imds::emulator {

class Statistics;

// One token request while it is being answered. It has to end before the last byte of its answer leaves: the
// client may send the next one at once, and the two were never in flight together.
class InFlight {
 public:
  explicit InFlight(Statistics& statistics);
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  InFlight(InFlight&&) = delete;
  InFlight& operator=(InFlight&&) = delete;
  ~InFlight() {
    end();
  }
  void end();

 private:
  Statistics* statistics_;
};

// What the emulator has received and how it answered, since the start or the last reset.
class Statistics {
 public:
  void count_token_request(std::chrono::steady_clock::time_point now);
  // Status 0: left without an answer.
  void count_answer(unsigned status, std::string_view problem);
  void count_connection() {
    ++connections_;
    ++open_connections_;
  }
  void count_disconnection() {
    --open_connections_;
  }
  void count_malformed() {
    ++malformed_;
  }
  void count_instance_request() {
    ++instance_requests_;
  }
  void count_other_request() {
    ++other_requests_;
  }

  // What is in flight or open stays so.
  void reset();
  [[nodiscard]] boost::json::object to_json() const;

 private:
  friend class InFlight;

  SlidingMaximum per_second_;
  std::uint64_t token_requests_ = 0;
  std::size_t in_flight_ = 0;
  std::size_t max_in_flight_ = 0;
  std::uint64_t connections_ = 0;
  std::uint64_t open_connections_ = 0;
  std::uint64_t malformed_ = 0;
  std::uint64_t instance_requests_ = 0;
  std::uint64_t other_requests_ = 0;
  std::map<unsigned, std::uint64_t> statuses_;
  std::map<std::string_view, std::uint64_t> problems_;
};

}  // namespace msi2imds::emulator
