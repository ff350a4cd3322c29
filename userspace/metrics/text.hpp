// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/histogram.hpp"

namespace msi2imds::metrics {

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

// Prometheus's text format, family by family.
class Text {
 public:
  // Begins a family; its samples follow.
  void counter(std::string_view name, std::string_view help);
  void gauge(std::string_view name, std::string_view help);
  void histogram(std::string_view name, std::string_view help);

  // A sample of the family just begun.
  void add(double value, const Labels& labels = {});
  void add(const Histogram& histogram, const Labels& labels = {});

  [[nodiscard]] std::string take() {
    return std::move(out_);
  }

 private:
  void begin(std::string_view name, std::string_view help, std::string_view type);
  void sample(std::string_view suffix, const Labels& labels, double value);

  std::string out_;
  std::string family_;
};

}  // namespace msi2imds::metrics
