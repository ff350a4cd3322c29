// SPDX-License-Identifier: MIT
#include <sys/resource.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <exception>
#include <iostream>
#include <variant>

#include "imds_emulator/emulator.hpp"
#include "imds_emulator/options.hpp"
#include "imds_emulator/server.hpp"

namespace {

using namespace msi2imds::emulator;

constexpr int kCannotServe = 2;

// Ten thousand connections are a test case.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);  // the lower limit serves most tests
  }
}

int serve(const CommandLine& command_line) {
  Emulator emulator(command_line.options);
  boost::asio::io_context io(1);
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&io](const boost::system::error_code&, int) { io.stop(); });

  Server server(io, emulator);
  for (const auto& endpoint : command_line.listen) {
    const auto bound = server.listen(endpoint);
    if (!bound) {
      std::cerr << "imds-emulator: " << bound.error().message() << '\n';
      return kCannotServe;
    }
    std::cout << "listening on " << to_string(*bound) << std::endl;
  }
  io.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto command_line = parse_command_line(argc, argv);
    if (const int* exit_code = std::get_if<int>(&command_line)) {
      return *exit_code;
    }
    raise_descriptor_limit();
    return serve(std::get<CommandLine>(command_line));
  } catch (const std::exception& error) {
    std::cerr << "imds-emulator: " << error.what() << '\n';
    return 1;
  }
}
