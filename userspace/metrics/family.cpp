// SPDX-License-Identifier: MIT
#include "metrics/family.hpp"

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

Family::Family(std::string_view name, std::string_view help, std::string_view type)
    : name_(name), help_(help), type_(type) {}

void Family::sample(std::string_view suffix, const Labels& labels, double value) {
  samples_ += name_;
  samples_ += suffix;
  std::string_view separator = "{";
  for (const auto& [name, text] : labels) {
    samples_ += fmt::format("{}{}=\"{}\"", separator, name, escaped(text));
    separator = ",";
  }
  samples_ += fmt::format("{} {}\n", labels.empty() ? "" : "}", value);
}

void Family::add(const Histogram& histogram, const Labels& labels) {
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

Family& Family::operator=(const Histogram& histogram) {
  samples_.clear();
  add(histogram);
  return *this;
}

std::string Family::text() const {
  return samples_.empty() ? ""
                          : fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{3}", name_, help_, type_, samples_);
}

std::string Families::text() const {
  std::string text;
  for (const Family& family : all_) {
    text += family.text();
  }
  return text;
}

}  // namespace msi2imds::metrics
