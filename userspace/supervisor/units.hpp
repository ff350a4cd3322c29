// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string_view>

#include "base/command.hpp"

namespace msi2imds::supervisor {

struct Unit {
  bool enabled = false;  // it starts at boot
  bool active = false;   // it is up, or on its way
};

struct Units {
  Unit service = {};
  Unit socket = {};
  Unit observer = {};

  [[nodiscard]] bool serving_is_enabled() const {
    return service.enabled || socket.enabled;
  }
};

// What systemd says of our units. Nothing where it is not in charge of the machine, or does not answer.
[[nodiscard]] std::optional<Units> ask_about_units(CommandRunner& runner);

// The same from the words of `systemctl show`.
[[nodiscard]] Units read_units(std::string_view shown);

}  // namespace msi2imds::supervisor
