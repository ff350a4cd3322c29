// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace msi2imds::policy {

enum class Case { matters, is_ignored };

// Whether the whole text is as the pattern says, in which * stands for any characters and ? for one. Takes at
// most as many steps as both are long, multiplied.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view text, Case letter_case);

}  // namespace msi2imds::policy
