// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"

// Whom policy.close_imds keeps from asking IMDS itself.
namespace msi2imds::config {

// Whether policy.mode and policy.default refuse those whom no rule allows.
[[nodiscard]] bool refuses_somebody(const Config& config);

// Whether IMDS is to be closed to users: that is asked for, and somebody is refused.
[[nodiscard]] bool closes_imds(const Config& config);

// To whom IMDS itself stays open then: root, and the users whom a rule names by `uid` or `user`, whatever
// else it asks of them. Sorted.
[[nodiscard]] std::vector<std::uint32_t> users_let_through(const Config& config);

// What closes_imds() means with these rules, for people; one sentence each, none where it is false.
[[nodiscard]] std::vector<std::string> notes_on_closure(const Config& config);

}  // namespace msi2imds::config
