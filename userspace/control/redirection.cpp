// SPDX-License-Identifier: MIT
#include "control/redirection.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/text.hpp"

namespace msi2imds::control {
namespace {

// What stands in the text first, one a line; each remark follows on a line of its own.
template <typename Report>
auto texts_of(Report& report) {
  return std::array{
      &report.backend,  &report.failure, &report.direct_imds, &report.closed_by, &report.not_closed_because,
      &report.extension};
}

std::string on_one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

std::string list_of(const std::vector<std::string>& names) {
  constexpr std::size_t kMostOfNames = 8192;
  std::string line;
  for (const std::string& name : names) {
    if (line.size() + name.size() > kMostOfNames) {
      return line + "...\t";
    }
    std::string one = on_one_line(name);
    std::ranges::replace(one, '\t', ' ');
    line += one + "\t";
  }
  return line;
}

std::optional<std::string_view> take_until(char end, std::string_view& rest) {
  const std::size_t at = rest.find(end);
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  return taken;
}

}  // namespace

Message format(const RedirectionReport& report) {
  std::string text = std::to_string(report.sockets_replaced) + "\n";
  for (const std::string* line : texts_of(report)) {
    text += on_one_line(*line) + "\n";
  }
  text += list_of(report.container_networks) + "\n";
  for (const Remark& remark : report.remarks) {
    const std::string line = remark.shortcoming + "\t" + on_one_line(remark.text) + "\n";
    if (text.size() + line.size() <= kMostBody) {
      text += line;
    }
  }
  Message message;
  message.kind = Kind::redirection;
  message.value = static_cast<std::int32_t>(report.redirected);
  message.number = report.responders_started;
  message.set_text(text);
  return message;
}

std::optional<RedirectionReport> parse_redirection(const Message& message) {
  if (message.kind != Kind::redirection || message.value < 0 ||
      message.value > static_cast<std::int32_t>(Redirected::observing)) {
    return std::nullopt;
  }
  RedirectionReport report;
  report.redirected = static_cast<Redirected>(message.value);
  report.responders_started = message.number;
  std::string_view rest = message.get_text();
  const auto first = take_until('\n', rest);
  const auto replaced = first ? parse_number<std::uint64_t>(*first) : std::nullopt;
  if (!replaced) {
    return std::nullopt;
  }
  report.sockets_replaced = *replaced;
  for (std::string* const text : texts_of(report)) {
    const auto line = take_until('\n', rest);
    if (!line) {
      return std::nullopt;
    }
    *text = *line;
  }
  auto names = take_until('\n', rest);
  if (!names) {
    return std::nullopt;
  }
  while (const auto name = take_until('\t', *names)) {
    report.container_networks.emplace_back(*name);
  }
  while (!rest.empty()) {
    auto line = take_until('\n', rest);
    const auto shortcoming = line ? take_until('\t', *line) : std::nullopt;
    if (!shortcoming) {
      return std::nullopt;
    }
    report.remarks.push_back({.shortcoming = std::string(*shortcoming), .text = std::string(*line)});
  }
  return report;
}

}  // namespace msi2imds::control
