// SPDX-License-Identifier: MIT
#include "responder/process.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <ctime>
#include <exception>
#include <utility>

#include "base/log.hpp"
#include "base/spawn.hpp"
#include "responder/responder.hpp"

namespace msi2imds::responder {
namespace {

asio::awaitable<void> serve(asio::io_context& io, Responder& responder, bool& has_drained) {
  const Result<void> ended = co_await responder.run();
  if (!ended) {
    log::warn("stop serving: cannot {}", ended.error().message());
  }
  has_drained = ended.has_value();
  io.stop();
}

}  // namespace

std::optional<UniqueFd> take_channel() {
  UniqueFd channel(kChannelFd);
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(channel.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) {
    (void)channel.release();  // not ours to close
    return std::nullopt;
  }
  (void)::fcntl(channel.get(), F_SETFD, FD_CLOEXEC);
  return channel;
}

bool run_process(UniqueFd channel, const MakeTokenService& make_tokens, std::optional<Destiny> destiny) {
  log::start({}, kProcessName);
  asio::io_context io(kOneThread);
  SupervisorLink link(io, std::move(channel));
  const std::unique_ptr<TokenService> tokens = make_tokens(io, link);
  Responder responder(io, link, *tokens);
  ::tzset();  // the log's time zone is a file
  // Nothing that anybody else wrote has been read so far.
  Result<Cage> cage = enter_cage(std::move(destiny));
  if (!cage) {
    log::error("cannot confine the responder: cannot {}", cage.error().message());
    return false;
  }
  if (!cage->has_call_filter) {
    log::warn("serving without a system call filter, which this kernel does not have");
  }
  responder.tell_of_cage(std::move(*cage));
  bool has_drained = false;
  spawn(io, "serve", serve(io, responder, has_drained));
  return run_event_loop(io) && has_drained;
}

}  // namespace msi2imds::responder
