// SPDX-License-Identifier: MIT
// A responder that leaves while connections are open: its parts go before the io_context with the coroutines.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <string>

#include "responder/admin_server.hpp"
#include "responder/sessions.hpp"
#include "support_cpp/client.hpp"
#include "support_cpp/sockets.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::responder {
namespace {

class NoTokens final : public token::TokenSource {
 public:
  asio::awaitable<token::FetchResult> fetch(token::TokenRequest /*request*/) override {
    const token::Failure failure{
        .error = Error::from_errno(ENOTSUP, "get a token"), .remedy = {}, .retry_after = {}};
    co_return failure;
  }
};

[[noreturn]] void leave_with_an_open_session() {
  {
    std::array<int, 2> ends{};
    (void)::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data());
    const UniqueFd client(ends[1]);
    asio::io_context io(1);
    const Settings settings;
    NoTokens tokens;
    Sessions sessions(io, settings, tokens);
    std::vector<Arrived> arrived(1);
    arrived.front().socket.reset(ends[0]);
    sessions.take(arrived);
    io.poll();
  }
  std::_Exit(0);
}

[[noreturn]] void leave_with_an_open_admin_connection(const std::string& path) {
  {
    asio::io_context io(1);
    const AdminSource source;
    AdminServer server(io, source, Scope::everything);
    server.start(support::listen_on_path(path));
    const auto client = support::Client::connect_unix(io, path);
    io.poll();
  }
  std::_Exit(0);
}

TEST(LifetimeDeathTest, SessionsMayGoWhileAConnectionIsOpen) {
  EXPECT_EXIT(leave_with_an_open_session(), testing::ExitedWithCode(0), "");
}

TEST(LifetimeDeathTest, TheAdminServerMayGoWhileAConnectionIsOpen) {
  const support::TemporaryDirectory directory;
  EXPECT_EXIT(leave_with_an_open_admin_connection(directory.file("admin.sock")), testing::ExitedWithCode(0),
              "");
}

}  // namespace
}  // namespace msi2imds::responder
