// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace msi2imds::doctor {

// The step at which systemd could not start a program, by the exit status that stands for it ("NAMESPACE");
// empty for a status of the program's own.
[[nodiscard]] std::string_view step_of(int exit_status);

// What usually is the reason, and what to do; empty where there is nothing to say.
[[nodiscard]] std::string_view remedy_of(std::string_view step);

}  // namespace msi2imds::doctor
