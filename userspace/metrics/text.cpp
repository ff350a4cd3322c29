// SPDX-License-Identifier: MIT
#include "metrics/text.hpp"

#include <fmt/format.h>

#include "base/escape.hpp"

namespace msi2imds::metrics {
namespace {

// Within quotes: a backslash, a quote and a line feed need one before them; other control characters are
// shown.
std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : escape::control_characters(value)) {
    out += c == '"' ? std::string("\\\"") : c == '\\' ? std::string("\\\\") : std::string(1, c);
  }
  return out;
}

}  // namespace

void Text::begin(std::string_view name, std::string_view help, std::string_view type) {
  family_ = name;
  out_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

void Text::counter(std::string_view name, std::string_view help) {
  begin(name, help, "counter");
}

void Text::gauge(std::string_view name, std::string_view help) {
  begin(name, help, "gauge");
}

void Text::histogram(std::string_view name, std::string_view help) {
  begin(name, help, "histogram");
}

void Text::sample(std::string_view suffix, const Labels& labels, double value) {
  out_ += family_;
  out_ += suffix;
  std::string_view separator = "{";
  for (const auto& [name, text] : labels) {
    out_ += fmt::format("{}{}=\"{}\"", separator, name, escaped(text));
    separator = ",";
  }
  out_ += fmt::format("{} {}\n", labels.empty() ? "" : "}", value);
}

void Text::add(double value, const Labels& labels) {
  sample("", labels, value);
}

void Text::add(const Histogram& histogram, const Labels& labels) {
  std::uint64_t up_to = 0;
  Labels with_bound = labels;
  with_bound.emplace_back("le", "");
  for (std::size_t i = 0; i < histogram.buckets().size(); ++i) {
    up_to += histogram.buckets()[i];
    const std::string bound =
        i < Histogram::kBounds.size() ? fmt::format("{}", Histogram::kBounds[i]) : "+Inf";
    with_bound.back().second = bound;
    sample("_bucket", with_bound, static_cast<double>(up_to));
  }
  sample("_sum", labels, histogram.sum());
  sample("_count", labels, static_cast<double>(histogram.count()));
}

}  // namespace msi2imds::metrics
