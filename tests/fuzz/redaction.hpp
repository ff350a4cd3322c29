// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace msi2imds::fuzz {

// Puts a secret among these arguments in each of the ways in which programs are told secrets, with the first
// two texts around it. Stops the fuzzer when the redacted command line still has it.
void require_redacted(const std::vector<std::string>& arguments);

}  // namespace msi2imds::fuzz
