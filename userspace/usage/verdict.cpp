// SPDX-License-Identifier: MIT
#include "usage/verdict.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include "base/text.hpp"
#include "usage/coverage.hpp"
#include "usage/rhythm.hpp"

namespace msi2imds::usage {
namespace {

constexpr std::size_t kNamedCallers = 5;
constexpr std::int64_t kWeek = 7;  // days
constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kHour = 60 * kMinute;

std::string amount(std::uint64_t number, const std::string& noun) {
  return with_separators(number) + " " + noun + (number == 1 ? "" : "s");
}

std::vector<const Row*> callers_since(const Table& table, std::int64_t start) {
  std::vector<const Row*> callers = table.latest_first();
  std::erase_if(callers, [start](const Row* row) { return row->last_seen < start; });
  std::stable_sort(callers.begin(), callers.end(),
                   [](const Row* a, const Row* b) { return a->last_seen > b->last_seen; });
  return callers;
}

// " runs about every 31 days, next expected on 2026-08-14"; nothing of a caller that never paused for so
// long.
std::string expectation(const Row& row, const std::vector<Period>& recorded, std::int64_t least_days) {
  const auto rhythm = rhythm_of(row, recorded);
  if (!rhythm || rhythm->days < least_days) {
    return "";
  }
  const std::string days = amount(static_cast<std::uint64_t>(rhythm->days), "day");
  return rhythm->is_regular
             ? " runs about every " + days + ", next expected on " + day(rhythm->next(row.last_seen))
             : " has paused for up to " + days + ", and may be back until " +
                   day(rhythm->latest(row.last_seen));
}

std::vector<const Row*> expected_again(const Table& table, std::int64_t now) {
  std::vector<const Row*> callers = table.latest_first();
  std::erase_if(callers, [&](const Row* row) {
    const auto rhythm = rhythm_of(*row, table.recorded());
    return !rhythm || rhythm->latest(row->last_seen) < now;
  });
  return callers;
}

void name(const std::vector<const Row*>& callers, const auto& describe_it, Verdict& verdict) {
  for (std::size_t i = 0; i < callers.size(); ++i) {
    if (i == kNamedCallers) {
      verdict.reasons.push_back("and " + std::to_string(callers.size() - i) + " more");
      return;
    }
    verdict.reasons.push_back(describe(*callers[i]) + describe_it(*callers[i]));
  }
}

Verdict in_use(const Table& table, const std::vector<const Row*>& callers, std::int64_t now) {
  const Row& last = *callers.front();
  Verdict verdict{Verdict::Kind::in_use, {}, {}};
  const bool has_others =
      std::any_of(callers.begin(), callers.end(), [](const Row* row) { return row->is_others; });
  verdict.text = "still in use: " + std::string(has_others ? "more than " : "") +
                 amount(callers.size() - (has_others ? 1 : 0), "caller") + ", the last one " +
                 describe(last) + " " + ago(last.last_seen, now);
  name(
      callers,
      [&](const Row& row) {
        const std::string expected = expectation(row, table.recorded(), kWeek);
        return ": " + amount(row.requests, "request") + ", the last one " + ago(row.last_seen, now) +
               (expected.empty() ? "" : ";" + expected);
      },
      verdict);
  return verdict;
}

}  // namespace

Verdict judge(const Table& table, std::int64_t now, std::int64_t quiet_days) {
  const std::int64_t start = now - quiet_days * kSecondsPerDay;
  const auto callers = callers_since(table, start);
  if (!callers.empty()) {
    return in_use(table, callers, now);
  }

  Verdict verdict;
  const auto earlier = callers_since(table, 0);
  verdict.reasons.push_back(earlier.empty() ? "no request was ever recorded"
                                            : "the last request was " + ago(earlier.front()->last_seen, now) +
                                                  ", by " + describe(*earlier.front()));
  const std::vector<const Row*> expected = expected_again(table, now);
  name(
      expected, [&](const Row& row) { return expectation(row, table.recorded(), 1); }, verdict);
  const Coverage recorded = coverage(table.recorded(), start, now);
  if (recorded.gaps.empty() && !expected.empty()) {
    verdict.text = "not known yet: " + amount(expected.size(), "caller") +
                   (expected.size() == 1 ? " is" : " are") + " expected again";
    return verdict;
  }
  if (recorded.gaps.empty()) {
    verdict.kind = Verdict::Kind::can_be_retired;
    verdict.text = "can be retired: no request in the last " +
                   amount(static_cast<std::uint64_t>(quiet_days), "day") + ", recorded without a gap";
    return verdict;
  }
  verdict.text = "not known yet: recorded for only " + std::to_string(recorded.seconds / kSecondsPerDay) +
                 " of " + amount(static_cast<std::uint64_t>(quiet_days), "day");
  for (const Period& gap : recorded.gaps) {
    if (verdict.reasons.size() > kNamedCallers) {
      verdict.reasons.emplace_back("and more gaps");
      break;
    }
    verdict.reasons.push_back("not recorded from " + date(gap.from) + " to " + date(gap.to));
  }
  return verdict;
}

std::string_view to_string(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::can_be_retired:
      return "can_be_retired";
    case Verdict::Kind::in_use:
      return "in_use";
    case Verdict::Kind::not_known:
      break;
  }
  return "not_known";
}

std::string ago(std::int64_t time, std::int64_t now) {
  const std::int64_t seconds = now - time;
  if (seconds < kMinute) {
    return "just now";
  }
  if (seconds < kHour) {
    return amount(static_cast<std::uint64_t>(seconds / kMinute), "minute") + " ago";
  }
  if (seconds < 2 * kSecondsPerDay) {
    return amount(static_cast<std::uint64_t>(seconds / kHour), "hour") + " ago";
  }
  return amount(static_cast<std::uint64_t>(seconds / kSecondsPerDay), "day") + " ago";
}

std::string day(std::int64_t time) {
  return date(time).substr(0, std::string_view("2026-07-14").size());
}

std::string date(std::int64_t time) {
  std::tm fields{};
  const std::time_t seconds = time;
  if (::gmtime_r(&seconds, &fields) == nullptr) {
    return "?";
  }
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &fields)};
}

}  // namespace msi2imds::usage
