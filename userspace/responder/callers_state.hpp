// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "responder/recorder.hpp"
#include "responder/supervisor_link.hpp"

namespace msi2imds::responder {

// Keeps the table of callers in a file that the supervisor opens.
class CallersState {
 public:
  // Everything referred to must outlive the io_context's run().
  CallersState(asio::io_context& io, SupervisorLink& link, Recorder& recorder)
      : io_(io), link_(link), recorder_(recorder) {}

  // Takes over what was saved last (no descriptor: nothing yet). What is of no use the supervisor sets aside.
  void load(const UniqueFd& file);

  // Saves now and then, until the io_context stops.
  asio::awaitable<void> keep();

  asio::awaitable<Result<void>> save();

 private:
  asio::io_context& io_;
  SupervisorLink& link_;
  Recorder& recorder_;
  bool has_file_ = false;
};

}  // namespace msi2imds::responder
