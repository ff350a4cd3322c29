// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "caller/clues.hpp"

namespace msi2imds::caller {

// What is known of a caller once its connect() was seen: the caller is who dialled, whoever made the socket.
[[nodiscard]] Clues join(const Clues& socket, const Clues& dialler);

// Whether no rule may go by what the clues tell, unless more is found out.
[[nodiscard]] bool is_in_doubt(Agreement agreement);

// Why, with a word of its own in front; empty where nothing contradicts.
[[nodiscard]] std::string describe(const Clues& clues);

}  // namespace msi2imds::caller
