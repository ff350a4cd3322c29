// SPDX-License-Identifier: MIT
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/histogram.hpp"

namespace msi2imds::metrics {

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

// A metric with its samples, in Prometheus's text format.
class Family {
 public:
  Family(std::string_view name, std::string_view help, std::string_view type);

  template <typename Number>
  requires std::is_arithmetic_v<Number>
  void add(Number value, const Labels& labels = {}) {
    sample("", labels, static_cast<double>(value));
  }
  void add(const Histogram& histogram, const Labels& labels = {});

  // The one sample of a metric without labels.
  template <typename Number>
  requires std::is_arithmetic_v<Number> Family& operator=(Number value) {
    samples_.clear();
    add(value);
    return *this;
  }
  Family& operator=(const Histogram& histogram);

  // Nothing before there is a sample.
  [[nodiscard]] std::string text() const;

 private:
  void sample(std::string_view suffix, const Labels& labels, double value);

  std::string_view name_;
  std::string_view help_;
  std::string_view type_;
  std::string samples_;
};

// Metrics in the order in which they are shown. Names, help and families live as long as this.
class Families {
 public:
  Family& counter(std::string_view name, std::string_view help) {
    return all_.emplace_back(name, help, "counter");
  }
  Family& gauge(std::string_view name, std::string_view help) {
    return all_.emplace_back(name, help, "gauge");
  }
  Family& histogram(std::string_view name, std::string_view help) {
    return all_.emplace_back(name, help, "histogram");
  }

  [[nodiscard]] std::string text() const;

 private:
  std::deque<Family> all_;
};

}  // namespace msi2imds::metrics
