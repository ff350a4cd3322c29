// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "token/library.hpp"
#include "usage/container_group.hpp"

// Texts in here are as the caller chose them, cut and made valid UTF-8 (clean_text.hpp): whoever shows one
// escapes it.
namespace msi2imds::usage {

inline constexpr std::array<std::string_view, 6> kOutcomes = {"token",  "refused",     "denied",
                                                              "failed", "bad_request", "observed"};

inline constexpr std::size_t kMaxUsers = 8;
inline constexpr std::size_t kMaxResources = 16;
inline constexpr std::size_t kMaxIdentities = 8;
inline constexpr std::int64_t kKeptDays = 92;
inline constexpr std::int64_t kSecondsPerDay = 86400;
inline constexpr std::int64_t kMaxTime = 253402300799;              // the end of the year 9999
inline constexpr std::uint64_t kMaxCount = 999'999'999'999;         // counters stop there
inline constexpr std::int64_t kMaxDay = kMaxTime / kSecondsPerDay;  // days are counted from 1970-01-01, UTC

struct User {
  uid_t uid = 0;
  std::string name;
};

// How often something was asked for.
struct Use {
  std::string name;
  std::uint64_t requests = 0;
  std::int64_t last_seen = 0;
};

// The first few names that came, and all others as one.
struct Tally {
  std::vector<Use> named;
  Use rest;

  void add(std::string_view name, std::uint64_t requests, std::int64_t time, std::size_t most);
  void merge(const Tally& other, std::size_t most);
};

struct Day {
  std::int64_t day = 0;
  std::uint64_t requests = 0;
};

// One caller: a program in a unit, or in all containers of one image and name (container_group.hpp). What is
// empty is not known.
struct Row {
  bool is_others = false;  // stands for callers that there was no room for
  std::string unit;
  std::string cgroup;           // without a unit
  std::string program;          // path
  std::string comm;             // without a path
  std::string container;        // the last one
  std::string container_name;   // the last one
  std::string container_image;  // the last one
  std::string unknown_because;
  std::vector<User> users;
  bool has_more_users = false;
  std::optional<pid_t> pid;  // the last one
  std::string command_line;  // the last one
  std::int64_t first_seen = 0;
  std::int64_t last_seen = 0;
  std::uint64_t requests = 0;
  std::array<std::uint64_t, kOutcomes.size()> outcomes{};  // in the order of kOutcomes
  // How many looked like which library, in the order of token::kLibraries.
  std::array<std::uint64_t, token::kLibraries.size()> libraries{};
  Tally resources;
  Tally identities;
  std::vector<Day> days;  // ascending, only days with a request

  void add_user(uid_t uid, std::string_view name);
  void add_to_day(std::int64_t day, std::uint64_t more);
  void merge(const Row& other);
  // Moves times that lie in the future back to `now`, after the clock was set back.
  void bring_back(std::int64_t now);
};

// What makes two requests those of one caller. Containers whose image is known go by that and by their name,
// else by their unit, cgroup and id. Why it is unknown, and its uid, only count when nothing else is known.
struct Key {
  std::string_view unit;
  std::string_view cgroup;
  std::string_view program;
  std::string_view comm;
  std::string_view container;
  ContainerGroup group;
  std::string_view unknown_because;
  std::optional<uid_t> uid;

  friend bool operator==(const Key&, const Key&) = default;
};
[[nodiscard]] Key key_of(const Row& row);
// Where the row is about all containers of an image and name, its place is that of any of them.
void make_common(Row& row);
[[nodiscard]] std::size_t hash(const Key& key);

// For people: "backup.service (/usr/bin/azcopy)".
[[nodiscard]] std::string describe(const Row& row);

void count(std::uint64_t& counter, std::uint64_t more);

}  // namespace msi2imds::usage
