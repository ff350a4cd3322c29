// SPDX-License-Identifier: MIT
#include "base/run_to_end.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>

namespace msi2imds {

void run_to_end(asio::awaitable<void> task) {
  asio::io_context io(1);
  asio::co_spawn(io, std::move(task), [](const std::exception_ptr& exception) {
    if (exception) {
      std::rethrow_exception(exception);
    }
  });
  io.run();
}

}  // namespace msi2imds
