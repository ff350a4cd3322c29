// SPDX-License-Identifier: MIT
#include "imds_emulator/fault_parser.hpp"

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <cmath>

namespace msi2imds::emulator {
namespace {

namespace json = boost::json;

struct KindRow {
  std::string_view name;
  FaultKind kind;
  std::string_view required;  // one key, or none
  std::string_view optional;  // keys with a space around each
};

constexpr std::array<KindRow, 21> kKinds{{
    {"status", FaultKind::status, "status", " retry_after html body "},
    {"html", FaultKind::html, "", " status "},
    {"truncated", FaultKind::truncated, "", ""},
    {"slow_drip", FaultKind::slow_drip, "seconds", ""},
    {"hang", FaultKind::hang, "", " seconds "},
    {"reset", FaultKind::reset, "", ""},
    {"close", FaultKind::close, "", ""},
    {"oversized", FaultKind::oversized, "", " bytes "},
    {"wrong_content_type", FaultKind::wrong_content_type, "", ""},
    {"integers", FaultKind::integers, "", ""},
    {"garbage_json", FaultKind::garbage_json, "", ""},
    {"missing_field", FaultKind::missing_field, "field", ""},
    {"override_field", FaultKind::override_field, "field", " value "},
    {"expired", FaultKind::expired, "", ""},
    {"delay", FaultKind::delay, "ms", ""},
    {"stale_close", FaultKind::stale_close, "", ""},
    {"interim", FaultKind::interim, "status", " times ms "},
    {"duplicate", FaultKind::duplicate, "", " ms "},
    {"wrong_resource", FaultKind::wrong_resource, "", " resource "},
    {"wrong_client_id", FaultKind::wrong_client_id, "", ""},
    {"dead_connection", FaultKind::dead_connection, "", ""},
}};
constexpr std::string_view kCommonKeys = " kind count seconds_active match ";

Error wrong(std::string what) {
  return {boost::system::error_code(), std::move(what)};
}

std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}

bool lists(std::string_view keys, std::string_view key) {
  return keys.find(" " + std::string(key) + " ") != std::string_view::npos;
}

bool is_allowed(const KindRow& row, std::string_view key) {
  return key == row.required || lists(row.optional, key) || lists(kCommonKeys, key);
}

// Reads the keys of one fault; remembers the first that is wrong.
class FaultReader {
 public:
  FaultReader(const json::object& object, std::string_view kind) : object_(object), kind_(kind) {}

  [[nodiscard]] const std::string& failure() const {
    return failure_;
  }
  [[nodiscard]] bool has(std::string_view key) const {
    return find(key) != nullptr;
  }

  double number(std::string_view key, double least, double most, double otherwise, bool whole = true) {
    const json::value* value = find(key);
    if (value == nullptr) {
      return otherwise;
    }
    const double number = value->is_number() ? value->to_number<double>() : least - 1;
    if (number < least || number > most || (whole && std::floor(number) != number)) {
      fail(key, std::string(whole ? "a whole number" : "a number") + " from " + shown(least) + " to " +
                    shown(most));
      return otherwise;
    }
    return number;
  }

  std::string text(std::string_view key) {
    const json::value* value = find(key);
    if (value != nullptr && !value->is_string()) {
      fail(key, "a string");
    }
    return value != nullptr && value->is_string() ? std::string(view(value->get_string())) : std::string();
  }

  bool boolean(std::string_view key) {
    const json::value* value = find(key);
    if (value != nullptr && !value->is_bool()) {
      fail(key, "true or false");
    }
    return value != nullptr && value->is_bool() && value->get_bool();
  }

  [[nodiscard]] const json::value* find(std::string_view key) const {
    return object_.if_contains({key.data(), key.size()});
  }

 private:
  static std::string shown(double number) {
    return std::to_string(static_cast<std::int64_t>(number));
  }
  void fail(std::string_view key, std::string_view expected) {
    if (failure_.empty()) {
      failure_ = "read '" + std::string(key) + "' of a " + std::string(kind_) + " fault: expected " +
                 std::string(expected);
    }
  }

  const json::object& object_;
  std::string_view kind_;
  std::string failure_;
};

constexpr double kMostSeconds = 86400;
constexpr double kMostCount = 1e9;
constexpr double kMostInterimAnswers = 1000;

std::chrono::milliseconds milliseconds(double count) {
  return std::chrono::milliseconds(std::llround(count));
}

Result<const KindRow*> find_kind(const json::object& object) {
  const json::value* kind = object.if_contains("kind");
  if (kind == nullptr || !kind->is_string()) {
    return wrong("read 'kind' of a fault: expected a string");
  }
  const auto* const row = std::find_if(kKinds.begin(), kKinds.end(), [kind](const KindRow& candidate) {
    return candidate.name == view(kind->get_string());
  });
  if (row == kKinds.end()) {
    return wrong("read 'kind' of a fault: '" + std::string(view(kind->get_string())) + "' is unknown");
  }
  return row;
}

Result<void> check_keys(const json::object& object, const KindRow& row) {
  for (const auto& member : object) {
    const std::string_view key(member.key().data(), member.key().size());
    if (!is_allowed(row, key)) {
      return wrong("read a " + std::string(row.name) + " fault: it has no '" + std::string(key) + "'");
    }
  }
  if (!row.required.empty() && !object.contains({row.required.data(), row.required.size()})) {
    return wrong("read a " + std::string(row.name) + " fault: it needs '" + std::string(row.required) + "'");
  }
  if (object.contains("count") && object.contains("seconds_active")) {
    return wrong("read a " + std::string(row.name) +
                 " fault: 'count' and 'seconds_active' exclude each other");
  }
  if (row.kind == FaultKind::override_field && !object.contains("value")) {
    return wrong("read an override_field fault: it needs 'value'");
  }
  return {};
}

unsigned read_status(FaultReader& reader, FaultKind kind) {
  const bool is_interim = kind == FaultKind::interim;
  return static_cast<unsigned>(reader.number("status", is_interim ? 100 : 200, is_interim ? 199 : 599,
                                             kind == FaultKind::html ? 200 : 500));
}

Fault read_settings(FaultReader& reader, FaultKind kind, std::chrono::steady_clock::time_point now) {
  Fault fault;
  fault.kind = kind;
  fault.status = read_status(reader, kind);
  fault.times = static_cast<unsigned>(reader.number("times", 1, kMostInterimAnswers, 1));
  if (reader.has("retry_after")) {
    fault.retry_after = static_cast<std::int64_t>(reader.number("retry_after", 0, kMostSeconds, 0));
  }
  fault.html = reader.boolean("html");
  if (reader.has("body")) {
    fault.body = reader.text("body");
  }
  if (reader.has("seconds")) {
    fault.duration = milliseconds(reader.number("seconds", 0, kMostSeconds, 0, false) * 1000);
  }
  if (reader.has("ms")) {
    fault.duration = milliseconds(reader.number("ms", 0, kMostSeconds * 1000, 0));
  }
  fault.bytes = static_cast<std::size_t>(reader.number("bytes", 1, 1e9, static_cast<double>(fault.bytes)));
  if (reader.has("resource")) {
    fault.resource = reader.text("resource");
  }
  fault.field = reader.text("field");
  if (const json::value* value = reader.find("value")) {
    fault.value = *value;
  }
  fault.match = reader.text("match");
  fault.set = now;
  fault.remaining = static_cast<std::uint64_t>(reader.number("count", 0, kMostCount, 1));
  if (reader.has("seconds_active")) {
    fault.expires = now + milliseconds(reader.number("seconds_active", 0, kMostSeconds, 0, false) * 1000);
    fault.remaining = 0;
  }
  return fault;
}

Result<Fault> parse_fault(const json::value& value, std::chrono::steady_clock::time_point now) {
  if (!value.is_object()) {
    return wrong("read a fault: expected an object");
  }
  const json::object& object = value.get_object();
  const auto row = find_kind(object);
  if (!row) {
    return row.error();
  }
  const auto keys = check_keys(object, **row);
  if (!keys) {
    return keys.error();
  }

  FaultReader reader(object, (*row)->name);
  Fault fault = read_settings(reader, (*row)->kind, now);
  if (!reader.failure().empty()) {
    return wrong(reader.failure());
  }
  fault.document = value;
  return fault;
}

}  // namespace

Result<std::vector<Fault>> parse_faults(std::string_view document,
                                        std::chrono::steady_clock::time_point now) {
  json::error_code ec;
  const json::value root = json::parse({document.data(), document.size()}, ec);
  if (ec) {
    return Error(ec, "parse the fault document");
  }
  const json::object* object = root.if_object();
  const json::value* list = object == nullptr ? nullptr : object->if_contains("faults");
  if (list == nullptr || !list->is_array() || object->size() != 1) {
    return wrong("read the fault document: expected {\"faults\": [...]}");
  }

  std::vector<Fault> faults;
  for (const json::value& item : list->get_array()) {
    auto fault = parse_fault(item, now);
    if (!fault) {
      return fault.error();
    }
    faults.push_back(std::move(*fault));
  }
  return faults;
}

}  // namespace msi2imds::emulator
