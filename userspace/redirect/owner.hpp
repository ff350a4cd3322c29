// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace msi2imds::redirect {

// Rules of the host's firewall have one name, whoever put them, so they carry a mark that tells whose they
// are. A name for such a mark that no other redirection has: eight hexadecimal digits.
[[nodiscard]] std::string new_owner();

[[nodiscard]] bool is_owner(std::string_view name);

// Whose rules are to be removed.
enum class Whose {
  ours,      // only while they carry our mark
  anybodys,  // whatever stands under our names
};

}  // namespace msi2imds::redirect
