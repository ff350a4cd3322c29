// SPDX-License-Identifier: MIT
#include "usage/table.hpp"

#include <algorithm>

#include "usage/clean_text.hpp"

namespace msi2imds::usage {
namespace {

std::int64_t sane(std::int64_t time) {
  return std::clamp<std::int64_t>(time, 0, kMaxTime);
}

void assign_if_other(std::string& text, std::string_view value) {
  if (text != value) {
    text = value;
  }
}

Row new_row(const Key& key, std::int64_t time) {
  Row row;
  row.unit = key.unit;
  row.cgroup = key.cgroup;
  row.program = key.program;
  row.comm = key.comm;
  row.container = key.container;
  row.unknown_because = key.unknown_because;
  if (key.uid) {
    row.users.push_back({*key.uid, {}});
  }
  row.first_seen = time;
  return row;
}

}  // namespace

Table::Table(std::int64_t now) {
  if (now != 0) {
    mark_recording(now);
  }
}

void Table::record(const Request& request) {
  const caller::Identity& caller = request.caller;
  const std::int64_t time = sane(request.time);
  const CleanText place(caller.unit.empty() ? caller.cgroup : caller.unit);
  const CleanText program(caller.program.empty() ? caller.comm : caller.program);
  const CleanText container(caller.container);
  const CleanText reason(caller.unknown_because);
  Key key;
  (caller.unit.empty() ? key.cgroup : key.unit) = place.view();
  (caller.program.empty() ? key.comm : key.program) = program.view();
  key.container = container.view();
  if (key == Key{}) {
    key.unknown_because = reason.view();
    key.uid = caller.uid;
  }

  Row& row = row_of(key, time);
  if (caller.uid) {
    row.add_user(*caller.uid, CleanText(caller.user).view());
  }
  if (caller.pid) {
    row.pid = caller.pid;
  }
  if (!caller.command_line.empty()) {
    assign_if_other(row.command_line, CleanText(caller.command_line).view());
  }
  assign_if_other(row.unknown_because, reason.view());
  row.first_seen = std::min(row.first_seen, time);
  row.last_seen = std::max(row.last_seen, time);
  count(row.requests, 1);
  const auto* const outcome = std::find(kOutcomes.begin(), kOutcomes.end(), request.outcome);
  if (outcome != kOutcomes.end()) {
    count(row.outcomes[static_cast<std::size_t>(outcome - kOutcomes.begin())], 1);
  }
  if (!request.resource.empty()) {
    row.resources.add(CleanText(request.resource).view(), 1, time, kMaxResources);
  }
  if (!request.identity.empty()) {
    row.identities.add(CleanText(request.identity).view(), 1, time, kMaxIdentities);
  }
  row.add_to_day(time / kSecondsPerDay, 1);
  if (request.granted != nullptr) {
    grants_.add(caller, request.resource, *request.granted, time);
  }
}

Row& Table::row_of(const Key& key, std::int64_t time) {
  const std::size_t wanted = hash(key);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (hashes_[i] == wanted && !rows_[i].is_others && key_of(rows_[i]) == key) {
      return rows_[i];
    }
  }
  make_room();
  hashes_.push_back(wanted);
  return rows_.emplace_back(new_row(key, time));
}

void Table::make_room() {
  if (rows_.size() < kMaxRows) {
    return;
  }
  const auto others = std::find_if(rows_.begin(), rows_.end(), [](const Row& row) { return row.is_others; });
  const auto seen_before = [](const Row& a, const Row& b) {
    return a.is_others != b.is_others ? b.is_others : a.last_seen < b.last_seen;
  };
  const auto oldest = std::min_element(rows_.begin(), rows_.end(), seen_before);
  if (others == rows_.end()) {
    // The row of others needs a place: the oldest row becomes it, and the next oldest makes room for the new
    // one.
    Row all;
    all.is_others = true;
    all.merge(*oldest);
    *oldest = std::move(all);
    hashes_[static_cast<std::size_t>(oldest - rows_.begin())] = 0;
    make_room();
    return;
  }
  others->merge(*oldest);
  hashes_.erase(hashes_.begin() + (oldest - rows_.begin()));
  rows_.erase(oldest);
}

void Table::mark_recording(std::int64_t now) {
  now = sane(now);
  for (Row& row : rows_) {
    row.bring_back(now);
  }
  grants_.bring_to(now);
  std::erase_if(recorded_, [now](const Period& period) { return period.from > now; });
  for (Period& period : recorded_) {
    period.to = std::min(period.to, now);
  }
  if (!recorded_.empty() && now - recorded_.back().to <= kLongestPause) {
    recorded_.back().to = now;
    return;
  }
  if (recorded_.size() == kMaxPeriods) {
    recorded_.erase(recorded_.begin());
  }
  recorded_.push_back({now, now});
}

std::vector<const Row*> Table::latest_first() const {
  std::vector<const Row*> rows;
  rows.reserve(rows_.size());
  for (const Row& row : rows_) {
    rows.push_back(&row);
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row* a, const Row* b) {
    return a->is_others != b->is_others ? b->is_others : a->last_seen > b->last_seen;
  });
  return rows;
}

}  // namespace msi2imds::usage
