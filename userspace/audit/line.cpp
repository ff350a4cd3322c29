// SPDX-License-Identifier: MIT
#include "audit/line.hpp"

#include <array>
#include <charconv>
#include <ctime>
#include <string>
#include <utility>

#include "base/escape.hpp"
#include "base/json.hpp"

namespace msi2imds::audit {
namespace {

using std::chrono::microseconds;
using std::chrono::system_clock;

// Texts that strangers choose are cut to so many bytes.
constexpr std::size_t kLongestText = 1024;

// With zeros in front, where it has fewer digits.
void append_number(std::string& out, std::int64_t number, std::size_t digits = 1) {
  std::array<char, 20> text{};
  const auto [end, ec] = std::to_chars(text.data(), text.data() + text.size(), number);
  const auto size = static_cast<std::size_t>(end - text.data());
  out.append(digits > size ? digits - size : 0, '0');
  out.append(text.data(), size);
}

std::string date_of(std::chrono::sys_seconds second) {
  const std::time_t whole = second.time_since_epoch().count();
  std::tm parts{};
  (void)::gmtime_r(&whole, &parts);
  std::string date;
  append_number(date, parts.tm_year + 1900, 4);
  const std::array<std::pair<char, int>, 5> rest = {{{'-', parts.tm_mon + 1},
                                                     {'-', parts.tm_mday},
                                                     {'T', parts.tm_hour},
                                                     {':', parts.tm_min},
                                                     {':', parts.tm_sec}}};
  for (const auto& [separator, number] : rest) {
    date += separator;
    append_number(date, number, 2);
  }
  return date;
}

// RFC 3339 in UTC, with microseconds. Lines of the same second have most of it in common.
void append_time(std::string& out, system_clock::time_point time) {
  thread_local std::chrono::sys_seconds last_second;
  thread_local std::string last_date = date_of(last_second);
  const auto second = std::chrono::floor<std::chrono::seconds>(time);
  if (second != last_second) {
    last_date = date_of(second);
    last_second = second;
  }
  out += last_date;
  out += '.';
  append_number(out, std::chrono::floor<microseconds>(time - second).count(), 6);
  out += 'Z';
}

// name=value for people, "name":value for machines.
class Line {
 public:
  Line(std::string& out, Format format, system_clock::time_point time) : out_(out), format_(format) {
    if (format_ == Format::json) {
      out_ += "{\"time\":\"";
      append_time(out_, time);
      out_ += '"';
    } else {
      append_time(out_, time);
    }
  }

  void text(std::string_view name, std::string_view value) {
    begin(name);
    std::string beginning;
    if (value.size() > kLongestText) {
      beginning = std::string(value.substr(0, kLongestText)) + "...";
      value = beginning;
    }
    if (format_ == Format::json) {
      append_json_string(out_, value);
    } else if (value.empty()) {
      out_ += '-';
    } else if (value.find(' ') == std::string_view::npos && value.find('"') == std::string_view::npos) {
      escape::append_control_characters(out_, value);
    } else {
      out_ += '"';
      for (const char c : escape::control_characters(value)) {
        out_ += c == '"' ? std::string_view("\\\"") : std::string_view(&c, 1);
      }
      out_ += '"';
    }
  }
  // What is worth its room only when it is there.
  void optional_text(std::string_view name, std::string_view value) {
    if (!value.empty()) {
      text(name, value);
    }
  }
  void number(std::string_view name, std::int64_t value) {
    begin(name);
    append_number(out_, value);
  }
  template <typename T>
  void known_number(std::string_view name, const std::optional<T>& value) {
    if (value) {
      number(name, *value);
    } else {
      begin(name);
      out_ += format_ == Format::json ? "null" : "-";
    }
  }
  void end() {
    out_ += format_ == Format::json ? "}\n" : "\n";
  }

 private:
  void begin(std::string_view name) {
    if (format_ == Format::json) {
      out_ += ",\"";
      out_ += name;
      out_ += "\":";
    } else {
      out_ += ' ';
      out_ += name;
      out_ += '=';
    }
  }

  std::string& out_;
  Format format_;
};

// A unit, or where the process lives without one.
std::string_view unit_of(const caller::Identity& caller) {
  return caller.unit.empty() ? caller.cgroup : caller.unit;
}

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::token:
      return "token";
    case Kind::refusal:
      return "refusal";
    case Kind::other:
      return "other";
  }
  return "";
}

}  // namespace

void append(std::string& out, const Record& record, Format format) {
  const caller::Identity& caller = record.caller;
  Line line(out, format, record.time);
  line.known_number("pid", caller.pid);
  line.known_number("uid", caller.uid);
  line.text("user", caller.user);
  line.text("program", caller.program);
  line.text("unit", unit_of(caller));
  line.text("resource", record.resource);
  line.text("identity", record.identity);
  line.text("identity_by", record.identity_by);
  line.text("outcome", record.outcome);
  line.text("source", record.source);
  line.number("duration_us", record.duration.count());
  if (caller.program.empty()) {
    line.optional_text("comm", caller.comm);
  }
  line.optional_text("container", caller.container);
  line.optional_text("container_name", caller.container_name);
  line.optional_text("container_image", caller.container_image);
  line.optional_text("sha256", caller.sha256);
  line.optional_text("identity_rule", record.identity_rule);
  line.optional_text("policy", record.policy);
  line.optional_text("rule", record.rule);
  line.optional_text("unknown", caller.unknown_because);
  line.end();
}

void append_left_out(std::string& out, system_clock::time_point time, std::uint64_t count, Kind kind,
                     const caller::Identity& caller, Format format) {
  Line line(out, format, time);
  line.number("left_out", static_cast<std::int64_t>(count));
  line.text("of", name_of(kind));
  line.known_number("uid", caller.uid);
  line.text("user", caller.user);
  line.text("program", caller.program);
  line.text("unit", unit_of(caller));
  line.end();
}

}  // namespace msi2imds::audit
