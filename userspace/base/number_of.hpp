// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace msi2imds {

// "1 request", "2 requests": for nouns whose plural has an s.
[[nodiscard]] std::string number_of(std::uint64_t number, std::string_view noun);

}  // namespace msi2imds
