// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <variant>
#include <vector>

#include "imds_emulator/emulator.hpp"

namespace msi2imds::emulator {

struct CommandLine {
  Options options;
  std::vector<boost::asio::ip::tcp::endpoint> listen;
};

// What to run with, or the exit code after a message (a usage error, --help).
[[nodiscard]] std::variant<CommandLine, int> parse_command_line(int argc, const char* const* argv);

}  // namespace msi2imds::emulator
