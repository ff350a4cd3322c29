// SPDX-License-Identifier: MIT
#include "imds_emulator/request_log.hpp"

#include <algorithm>
#include <boost/json/object.hpp>

#include "imds_emulator/text.hpp"

namespace msi2imds::emulator {
namespace {

namespace json = boost::json;

// A header that stands twice shows as one with both values, as RFC 9110 joins them.
json::object headers_to_json(const std::vector<Header>& headers) {
  json::object out;
  for (const Header& header : headers) {
    const std::string value = valid_utf8(header.value);
    const auto [position, added] = out.emplace(valid_utf8(header.name), value);
    if (!added) {
      position->value().as_string() += ", " + value;
    }
  }
  return out;
}

}  // namespace

RequestLog::Id RequestLog::add(const Request& request, const Question& question, std::uint16_t source_port,
                               std::chrono::system_clock::time_point now) {
  const Id id = next_++;
  first_ = std::max(first_, next_ < kCapacity ? Id{0} : next_ - kCapacity);
  if (entries_.size() <= id % kCapacity) {
    entries_.resize(id % kCapacity + 1);
  }
  Entry& entry = entries_[id % kCapacity];
  entry.time = now;
  entry.method = request.method;
  entry.target = request.target;
  entry.resource = question.resource;
  entry.selector_kind = question.selector_kind;
  entry.selector = question.selector;
  entry.headers = request.headers;
  entry.status = 0;
  entry.source_port = source_port;
  return id;
}

void RequestLog::set_status(Id id, unsigned status) {
  if (id >= first_ && id < next_) {
    entries_[id % kCapacity].status = status;
  }
}

void RequestLog::clear() {
  first_ = next_;
}

json::object RequestLog::to_json(const Entry& entry) {
  json::object selector;
  const std::string_view kind = name_of(entry.selector_kind);
  selector["kind"] = json::string_view(kind.data(), kind.size());
  selector["value"] = valid_utf8(entry.selector);

  json::object out;
  out["time"] = std::chrono::duration<double>(entry.time.time_since_epoch()).count();
  out["method"] = valid_utf8(entry.method);
  out["target"] = valid_utf8(entry.target);
  out["resource"] = valid_utf8(entry.resource);
  out["selector"] = std::move(selector);
  out["headers"] = headers_to_json(entry.headers);
  out["status"] = entry.status;
  out["source_port"] = entry.source_port;
  return out;
}

json::array RequestLog::to_json() const {
  json::array out;
  for (Id id = first_; id < next_; ++id) {
    out.push_back(to_json(entries_[id % kCapacity]));
  }
  return out;
}

}  // namespace msi2imds::emulator
