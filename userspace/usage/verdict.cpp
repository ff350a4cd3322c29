// SPDX-License-Identifier: MIT
#include "usage/verdict.hpp"

#include <algorithm>
#include <array>
#include <ctime>

namespace msi2imds::usage {
namespace {

constexpr std::size_t kNamedCallers = 5;
constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kHour = 60 * kMinute;

std::string amount(std::uint64_t number, const std::string& noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

std::vector<const Row*> callers_since(const Table& table, std::int64_t start) {
  std::vector<const Row*> callers = table.latest_first();
  std::erase_if(callers, [start](const Row* row) { return row->last_seen < start; });
  std::stable_sort(callers.begin(), callers.end(),
                   [](const Row* a, const Row* b) { return a->last_seen > b->last_seen; });
  return callers;
}

// How the time from `start` to `now` was recorded: a short pause counts as recorded, a longer one does not.
struct Coverage {
  std::int64_t seconds = 0;
  std::vector<Period> gaps;
};

Coverage coverage(const std::vector<Period>& recorded, std::int64_t start, std::int64_t now) {
  Coverage result;
  std::int64_t covered_until = start;
  const auto skip_to = [&](std::int64_t time, std::int64_t tolerated) {
    if (time - covered_until > tolerated) {
      result.gaps.push_back({covered_until, time});
    } else {
      result.seconds += std::max<std::int64_t>(time - covered_until, 0);
    }
    covered_until = std::max(covered_until, time);
  };
  for (const Period& period : recorded) {
    const std::int64_t to = std::min(period.to, now);
    if (to < start) {
      continue;
    }
    // What was before the first period was never recorded.
    skip_to(std::min(period.from, now), &period == &recorded.front() ? 0 : kLongestPause);
    result.seconds += std::max<std::int64_t>(to - covered_until, 0);
    covered_until = std::max(covered_until, to);
  }
  skip_to(now, covered_until == start ? 0 : kLongestPause);
  return result;
}

Verdict in_use(const std::vector<const Row*>& callers, std::int64_t now) {
  const Row& last = *callers.front();
  Verdict verdict{Verdict::Kind::in_use, {}, {}};
  const bool has_others =
      std::any_of(callers.begin(), callers.end(), [](const Row* row) { return row->is_others; });
  verdict.text = "still in use: " + std::string(has_others ? "more than " : "") +
                 amount(callers.size() - (has_others ? 1 : 0), "caller") + ", the last one " +
                 describe(last) + " " + ago(last.last_seen, now);
  for (const Row* row : callers) {
    if (verdict.reasons.size() == kNamedCallers) {
      verdict.reasons.push_back("and " + std::to_string(callers.size() - kNamedCallers) + " more");
      break;
    }
    verdict.reasons.push_back(describe(*row) + ": " + amount(row->requests, "request") + ", the last one " +
                              ago(row->last_seen, now));
  }
  return verdict;
}

}  // namespace

Verdict judge(const Table& table, std::int64_t now, std::int64_t quiet_days) {
  const std::int64_t start = now - quiet_days * kSecondsPerDay;
  const auto callers = callers_since(table, start);
  if (!callers.empty()) {
    return in_use(callers, now);
  }

  Verdict verdict;
  const auto earlier = callers_since(table, 0);
  verdict.reasons.push_back(earlier.empty() ? "no request was ever recorded"
                                            : "the last request was " + ago(earlier.front()->last_seen, now) +
                                                  ", by " + describe(*earlier.front()));
  const Coverage recorded = coverage(table.recorded(), start, now);
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
