// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/document.hpp"

// The kinds of value a key may take. Each has read(), which complains and returns nothing when the value will
// not do, and write(), its inverse.
namespace msi2imds::config {

// Says what is wrong with the value at this position, and what would be right.
using Complain = std::function<void(Position, const std::string&)>;

struct Flag {
  [[nodiscard]] std::optional<bool> read(const Value& value, const Complain& complain) const;
  [[nodiscard]] Value write(bool flag) const;
};

[[nodiscard]] std::optional<std::int64_t> read_integer(const Value& value, std::int64_t min, std::int64_t max,
                                                       const Complain& complain);

template <typename T>
struct Number {
  std::int64_t min;
  std::int64_t max;

  [[nodiscard]] std::optional<T> read(const Value& value, const Complain& complain) const {
    const auto number = read_integer(value, min, max, complain);
    return number ? std::optional(static_cast<T>(*number)) : std::nullopt;
  }
  [[nodiscard]] Value write(T number) const {
    return {std::int64_t{number}};
  }
};

struct Seconds {
  std::int64_t min = 1;
  std::int64_t max = 3600;

  [[nodiscard]] std::optional<std::chrono::seconds> read(const Value& value, const Complain& complain) const;
  [[nodiscard]] Value write(std::chrono::seconds seconds) const;
};

// At least one port and at most `max_count`, each once.
struct Ports {
  std::size_t max_count;

  [[nodiscard]] std::optional<std::vector<std::uint16_t>> read(const Value& value,
                                                               const Complain& complain) const;
  [[nodiscard]] Value write(const std::vector<std::uint16_t>& ports) const;
};

// What is wrong with a text and what would be right, or nothing.
using Check = std::optional<std::string> (*)(std::string_view);

[[nodiscard]] std::optional<std::string> check_host(std::string_view text);
[[nodiscard]] std::optional<std::string> check_user(std::string_view text);
[[nodiscard]] std::optional<std::string> check_socket_path(std::string_view text);
[[nodiscard]] std::optional<std::string> check_directory(std::string_view text);
[[nodiscard]] std::optional<std::string> check_optional_file(std::string_view text);
[[nodiscard]] std::optional<std::string> check_cgroup(std::string_view text);
[[nodiscard]] std::optional<std::string> check_optional_cgroup(std::string_view text);
[[nodiscard]] std::optional<std::string> check_pin_directory(std::string_view text);

struct Text {
  Check check;

  [[nodiscard]] std::optional<std::string> read(const Value& value, const Complain& complain) const;
  [[nodiscard]] Value write(const std::string& text) const;
};

struct Texts {
  Check check;

  [[nodiscard]] std::optional<std::vector<std::string>> read(const Value& value,
                                                             const Complain& complain) const;
  [[nodiscard]] Value write(const std::vector<std::string>& texts) const;
};

struct EndpointUrl {
  [[nodiscard]] std::optional<Endpoint> read(const Value& value, const Complain& complain) const;
  [[nodiscard]] Value write(const Endpoint& endpoint) const;
};

template <typename Enum>
struct Option {
  std::string_view name;
  Enum value;
};

// The index of the name that `value` is.
[[nodiscard]] std::optional<std::size_t> read_choice(const Value& value,
                                                     std::span<const std::string_view> names,
                                                     const Complain& complain);

// One of a few words, which live as long as the program.
struct Word {
  std::span<const std::string_view> words;

  [[nodiscard]] std::optional<std::string> read(const Value& value, const Complain& complain) const;
  [[nodiscard]] Value write(const std::string& word) const;
};

// One of a few words that stand for values of an enum. The options live as long as the program.
template <typename Enum>
class Choice {
 public:
  template <std::size_t N>
  explicit Choice(const std::array<Option<Enum>, N>& options) : options_(options) {}

  [[nodiscard]] std::optional<Enum> read(const Value& value, const Complain& complain) const {
    std::vector<std::string_view> names;
    for (const Option<Enum>& option : options_) {
      names.push_back(option.name);
    }
    const auto index = read_choice(value, names, complain);
    return index ? std::optional(options_[*index].value) : std::nullopt;
  }
  [[nodiscard]] Value write(Enum value) const {
    const auto option = std::ranges::find(options_, value, &Option<Enum>::value);
    return {std::string(option == options_.end() ? "" : option->name)};
  }

 private:
  std::span<const Option<Enum>> options_;
};

}  // namespace msi2imds::config
