// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "caller/identity.hpp"
#include "usage/grants.hpp"
#include "usage/row.hpp"

// Who uses the legacy endpoint, over months: the evidence on whether it can be retired.
namespace msi2imds::usage {

inline constexpr std::size_t kMaxRows = 256;
inline constexpr std::size_t kMaxPeriods = 64;
inline constexpr std::size_t kMaxJson = std::size_t{1024} * 1024;
// A pause of up to a day, such as a restart, an upgrade or a reboot, counts as recorded.
inline constexpr std::int64_t kLongestPause = kSecondsPerDay;

struct Request {
  std::int64_t time;  // Unix seconds
  const caller::Identity& caller;
  std::string_view resource;  // empty: not known
  std::string_view identity;  // empty: none was named
  std::string_view outcome;   // one of kOutcomes; another one counts as a request only
  // What the caller itself named, where it got a token.
  const token::IdentitySelector* granted = nullptr;
  std::optional<token::Library> library = {};  // nothing: nobody has seen the request
};

// When requests were being recorded, both ends included.
struct Period {
  std::int64_t from = 0;
  std::int64_t to = 0;
};

// Bounded whatever callers do: when there is no room, the caller seen longest ago becomes one of "other
// callers".
class Table {
 public:
  // An empty table that has been recording since `now`; without it, recording has not begun.
  explicit Table(std::int64_t now = 0);

  // Costs about a microsecond, and no allocation where caller, resource, identity and day are known.
  void record(const Request& request);

  // Notes the command line of a caller that has a row. False: it has none.
  bool take_command_line(const caller::Identity& caller);

  // Names users of whom only the number is known.
  void name_users(const std::vector<std::pair<uid_t, std::string>>& names);

  // Says that requests were recorded until `now`; to be called now and then, and before each to_json(). Also
  // puts right what is in the future because the clock was set back.
  void mark_recording(std::int64_t now);

  // One line of ASCII, at most kMaxJson bytes: the state file, and what the admin socket serves.
  [[nodiscard]] std::string to_json() const;
  // Errc::damaged says where; Errc::newer_version is no damage.
  [[nodiscard]] static Result<Table> parse(std::string_view text);
  // The same of a document that is JSON, whatever else it has.
  [[nodiscard]] static Result<Table> parse_json(const boost::json::value& document);

  // In no order; at most one of them stands for others.
  [[nodiscard]] const std::vector<Row>& rows() const {
    return rows_;
  }
  // Ascending, more than kLongestPause apart.
  [[nodiscard]] const std::vector<Period>& recorded() const {
    return recorded_;
  }
  [[nodiscard]] std::vector<const Row*> latest_first() const;
  // When the last one came, in Unix seconds; 0: none is known.
  [[nodiscard]] std::int64_t last_request() const;
  [[nodiscard]] const Grants& grants() const {
    return grants_;
  }

 private:
  Row& add_row(Row row);
  [[nodiscard]] Row* find_row(const Key& key);
  void make_room();

  std::vector<Row> rows_;
  std::vector<std::size_t> hashes_;  // of the keys of rows_, side by side
  std::vector<Period> recorded_;
  Grants grants_;
};

}  // namespace msi2imds::usage
