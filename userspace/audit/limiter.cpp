// SPDX-License-Identifier: MIT
#include "audit/limiter.hpp"

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

namespace msi2imds::audit {
namespace {

constexpr std::size_t kMostCallers = 1024;
constexpr std::chrono::seconds kTellInterval{1};

std::size_t key_of(const caller::Identity& caller) {
  const std::hash<std::string_view> hash;
  std::size_t key = caller.uid ? *caller.uid + std::size_t{1} : 0;
  for (const std::string_view text : {std::string_view(caller.cgroup), std::string_view(caller.program)}) {
    key = key * 1'000'003 + hash(text);
  }
  return key;
}

}  // namespace

bool Limiter::admit(const CallerPtr& caller, Time now, bool has_room) {
  if (buckets_.size() > kMostCallers) {
    forget_some();
  }
  const auto [place, is_new] = buckets_.try_emplace(key_of(*caller));
  Bucket& bucket = place->second;
  if (is_new) {
    bucket = {
        .lines = static_cast<double>(max_rate_), .filled = now, .left_out = 0, .told = now, .caller = caller};
  }
  const std::chrono::duration<double> passed = now - bucket.filled;
  bucket.filled = now;
  bucket.lines = std::min<double>(max_rate_, bucket.lines + passed.count() * max_rate_);
  if (bucket.lines < 1 || !has_room) {
    ++bucket.left_out;
    return false;
  }
  bucket.lines -= 1;
  return true;
}

std::vector<Limiter::LeftOut> Limiter::take_left_out(Time now) {
  std::vector<LeftOut> taken = std::exchange(forgotten_, {});
  for (auto& [key, bucket] : buckets_) {
    if (bucket.left_out > 0 && now - bucket.told >= kTellInterval) {
      taken.push_back({bucket.caller, std::exchange(bucket.left_out, 0)});
      bucket.told = now;
    }
  }
  return taken;
}

// Half of them, those silent for longest.
void Limiter::forget_some() {
  std::vector<Time> times;
  for (const auto& [key, bucket] : buckets_) {
    times.push_back(bucket.filled);
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  std::erase_if(buckets_, [&](const auto& entry) {
    const Bucket& bucket = entry.second;
    if (bucket.filled > *middle) {
      return false;
    }
    if (bucket.left_out > 0) {
      forgotten_.push_back({bucket.caller, bucket.left_out});
    }
    return true;
  });
}

}  // namespace msi2imds::audit
