// SPDX-License-Identifier: MIT
#include "imds_emulator/fault_list.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <iterator>

namespace msi2imds::emulator {
namespace {

bool has_expired(const Fault& fault, FaultList::Time now) {
  return fault.expires && *fault.expires <= now;
}

bool concerns(const Fault& fault, std::string_view target, FaultList::Time connected) {
  return target.find(fault.match) != std::string_view::npos &&
         (fault.kind != FaultKind::dead_connection || connected < fault.set);
}

}  // namespace

void FaultList::append(std::vector<Fault> faults) {
  std::move(faults.begin(), faults.end(), std::back_inserter(faults_));
}

void FaultList::clear() {
  faults_.clear();
  ++generation_;
}

std::optional<Fault> FaultList::take(std::string_view target, Time connected, Time now) {
  std::erase_if(faults_, [now](const Fault& fault) { return has_expired(fault, now); });
  const auto found = std::find_if(faults_.begin(), faults_.end(),
                                  [&](const Fault& fault) { return concerns(fault, target, connected); });
  if (found == faults_.end()) {
    return std::nullopt;
  }

  ++taken_;
  Fault fault = *found;
  if (found->remaining > 0 && --found->remaining == 0) {
    faults_.erase(found);
  }
  return fault;
}

boost::json::object FaultList::to_json(Time now) const {
  boost::json::array list;
  for (const Fault& fault : faults_) {
    if (has_expired(fault, now)) {
      continue;
    }
    boost::json::object item = fault.document.as_object();
    if (fault.expires) {
      item["seconds_active"] = std::chrono::duration<double>(*fault.expires - now).count();
    } else {
      item["count"] = fault.remaining;
    }
    list.push_back(std::move(item));
  }
  boost::json::object out;
  out["faults"] = std::move(list);
  out["taken"] = taken_;
  return out;
}

}  // namespace msi2imds::emulator
