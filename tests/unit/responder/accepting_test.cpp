// SPDX-License-Identifier: MIT
// A responder that cannot accept must end, since its supervisor can replace it; one that lives on and serves
// nobody cannot be told from a good one.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "support_cpp/sanitizer.hpp"
#include "unit/responder/no_memory.hpp"
#include "unit/responder/service_fixture.hpp"

namespace msi2imds::responder {
namespace {

class AcceptingTest : public ServiceFixture {
 protected:
  AcceptingTest() {
    settle();
  }

  std::string reason_of_end() {
    try {
      (void)support::run_until(io_, [] { return false; });
    } catch (const std::exception& error) {
      return error.what();
    }
    return "it did not end";
  }
};

TEST_F(AcceptingTest, WithoutMemoryForAConnectionTheProcessEnds) {
  const auto client = connect();
  const NoMemoryFor session(sizeof(Session));
  EXPECT_EQ(reason_of_end(), "accept connections: std::bad_alloc");
}

TEST_F(AcceptingTest, WithASocketThatListensNoMoreTheProcessEnds) {
  UniqueFd socket = support::listen_on_loopback();
  const UniqueFd twin(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
  const auto other = std::make_shared<Listener>(io_, std::move(socket), support::address_of(twin), sessions_);
  other->start();
  settle();
  ASSERT_EQ(::shutdown(twin.get(), SHUT_RD), 0);
  EXPECT_EQ(reason_of_end(), "accept connections: Invalid argument");
}

TEST_F(AcceptingTest, WithoutDescriptorsConnectionsWait) {
  if (support::kSanitizersNeedPipes) {
    GTEST_SKIP() << "without descriptors, there are no pipes for the address sanitizer";
  }
  auto client = connect();
  testing::internal::CaptureStderr();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  client.send(kRequest);
  settle();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(tokens_.requests.empty());
  EXPECT_NE(text.find("cannot accept on 127.0.0.1:"), std::string::npos) << text;
  EXPECT_TRUE(client.read_answer().starts_with("HTTP/1.1 200 OK\r\n"));
}

}  // namespace
}  // namespace msi2imds::responder
