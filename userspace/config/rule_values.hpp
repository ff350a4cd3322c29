// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>

// What the values of a rule may be. Each says what is wrong with a text and what would be right, or nothing.
namespace msi2imds::config {

[[nodiscard]] std::optional<std::string> check_name(std::string_view text);
[[nodiscard]] std::optional<std::string> check_origin(std::string_view text);
[[nodiscard]] std::optional<std::string> check_unit(std::string_view text);
[[nodiscard]] std::optional<std::string> check_program(std::string_view text);
[[nodiscard]] std::optional<std::string> check_sha256(std::string_view text);
[[nodiscard]] std::optional<std::string> check_container(std::string_view text);
[[nodiscard]] std::optional<std::string> check_container_name(std::string_view text);
[[nodiscard]] std::optional<std::string> check_pattern(std::string_view text);
[[nodiscard]] std::optional<std::string> check_account(std::string_view text);

}  // namespace msi2imds::config
