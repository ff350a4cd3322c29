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

// What a caller is known by, as texts that the table may keep.
class CleanKey {
 public:
  explicit CleanKey(const caller::Identity& caller)
      : place_(caller.unit.empty() ? caller.cgroup : caller.unit),
        program_(caller.program.empty() ? caller.comm : caller.program),
        container_(caller.container),
        container_name_(caller.container_name),
        container_image_(caller.container_image),
        reason_(caller.unknown_because) {
    (caller.program.empty() ? key_.comm : key_.program) = program_.view();
    key_.group = group_of(container_name_.view(), container_image_.view());
    if (key_.group == ContainerGroup{}) {
      (caller.unit.empty() ? key_.cgroup : key_.unit) = place_.view();
      key_.container = container_.view();
    }
    if (key_ == Key{}) {
      key_.unknown_because = reason_.view();
      key_.uid = caller.uid;
    }
  }
  CleanKey(const CleanKey&) = delete;
  CleanKey& operator=(const CleanKey&) = delete;
  ~CleanKey() = default;

  [[nodiscard]] const Key& key() const {
    return key_;
  }
  [[nodiscard]] std::string_view place() const {
    return place_.view();
  }
  [[nodiscard]] std::string_view container() const {
    return container_.view();
  }
  [[nodiscard]] std::string_view container_name() const {
    return container_name_.view();
  }
  [[nodiscard]] std::string_view container_image() const {
    return container_image_.view();
  }
  [[nodiscard]] std::string_view reason() const {
    return reason_.view();
  }

 private:
  CleanText place_;
  CleanText program_;
  CleanText container_;
  CleanText container_name_;
  CleanText container_image_;
  CleanText reason_;
  Key key_;
};

Row new_row(const CleanKey& clean, const caller::Identity& caller, std::int64_t time) {
  const Key& key = clean.key();
  Row row;
  (caller.unit.empty() ? row.cgroup : row.unit) = clean.place();
  row.program = key.program;
  row.comm = key.comm;
  row.container = clean.container();
  row.container_name = clean.container_name();
  row.container_image = clean.container_image();
  make_common(row);
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
  const CleanKey clean(caller);
  Row* known = find_row(clean.key());
  if (known == nullptr) {
    known = &add_row(new_row(clean, caller, time));
  }
  Row& row = *known;
  if (caller.uid) {
    row.add_user(*caller.uid, CleanText(caller.user).view());
  }
  if (caller.pid) {
    row.pid = caller.pid;
  }
  if (!caller.command_line.empty()) {
    assign_if_other(row.command_line, CleanText(caller.command_line).view());
  }
  if (row.container != clean.container()) {
    row.container = clean.container();
    make_common(row);
  }
  if (!caller.container_name.empty()) {
    assign_if_other(row.container_name, clean.container_name());
    assign_if_other(row.container_image, clean.container_image());
  }
  assign_if_other(row.unknown_because, clean.reason());
  row.first_seen = std::min(row.first_seen, time);
  row.last_seen = std::max(row.last_seen, time);
  count(row.requests, 1);
  const auto* const outcome = std::find(kOutcomes.begin(), kOutcomes.end(), request.outcome);
  if (outcome != kOutcomes.end()) {
    count(row.outcomes[static_cast<std::size_t>(outcome - kOutcomes.begin())], 1);
  }
  if (request.library) {
    count(row.libraries[static_cast<std::size_t>(*request.library)], 1);
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

bool Table::take_command_line(const caller::Identity& caller) {
  Row* const row = find_row(CleanKey(caller).key());
  if (row == nullptr) {
    return false;
  }
  assign_if_other(row->command_line, CleanText(caller.command_line).view());
  return true;
}

Row* Table::find_row(const Key& key) {
  const std::size_t wanted = hash(key);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (hashes_[i] == wanted && !rows_[i].is_others && key_of(rows_[i]) == key) {
      return &rows_[i];
    }
  }
  return nullptr;
}

Row& Table::add_row(Row row) {
  make_room();
  hashes_.push_back(hash(key_of(row)));
  return rows_.emplace_back(std::move(row));
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

void Table::name_users(const std::vector<std::pair<uid_t, std::string>>& names) {
  for (Row& row : rows_) {
    for (User& user : row.users) {
      const auto named = std::ranges::find(names, user.uid, &std::pair<uid_t, std::string>::first);
      if (user.name.empty() && named != names.end()) {
        user.name = CleanText(named->second).view();
      }
    }
  }
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

std::int64_t Table::last_request() const {
  std::int64_t latest = 0;
  for (const Row& row : rows_) {
    latest = std::max(latest, row.last_seen);
  }
  return latest;
}

}  // namespace msi2imds::usage
