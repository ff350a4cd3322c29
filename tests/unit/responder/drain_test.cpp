// SPDX-License-Identifier: MIT
// What a responder does with its clients before it leaves.
#include <fcntl.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fstream>
#include <iterator>
#include <optional>

#include "responder/responder.hpp"
#include "support_cpp/temporary_directory.hpp"
#include "unit/responder/fake_token_service.hpp"
#include "unit/responder/service_fixture.hpp"

namespace msi2imds::responder {
namespace {

// The test is the supervisor, which does not tell who calls unless it is helpful.
class DrainTest : public testing::Test {
 protected:
  DrainTest() {
    log::start({}, "test");
    auto ends = control::Channel::make_pair();
    EXPECT_TRUE(ends);
    supervisor_.emplace(io_, std::move(ends->first));
    link_.emplace(io_, std::move(ends->second));
    responder_.emplace(io_, *link_, service_);
    running_.emplace(io_, responder_->run());
    asio::co_spawn(io_, supervise(), asio::detached);

    audit_path_ = directory_.file("audit");
    const UniqueFd audit(::open(audit_path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
    send(control::Kind::audit_file, audit.get());
    send(control::Kind::usage_file);
    const UniqueFd listener = support::listen_on_loopback();
    address_ = support::address_of(listener);
    send(control::Kind::add_listener, listener.get());
    send(control::Kind::serve);
    EXPECT_TRUE(support::run_until(io_, [this] { return is_ready_; }));
  }

  void drain(control::Backlog backlog) {
    drain(backlog, backlog == control::Backlog::leave ? control::kHandOver : std::chrono::minutes(1));
  }
  void drain(control::Backlog backlog, std::chrono::milliseconds limit) {
    send(control::Kind::drain, -1, static_cast<std::int32_t>(backlog),
         static_cast<std::uint64_t>(limit.count()));
  }
  support::Client connect() {
    return support::Client::connect(io_, address_);
  }
  // One whose request waits for a token.
  support::Client connect_and_wait() {
    tokens_.held = true;
    auto client = connect();
    client.send(kRequest);
    const std::size_t count = tokens_.requests.size() + 1;
    EXPECT_TRUE(support::run_until(io_, [&] { return tokens_.requests.size() == count; }));
    return client;
  }
  bool leaves() {
    const Result<void> ended = running_->get();
    return ended.has_value();
  }
  std::size_t count_in_audit(std::string_view word) const {
    std::ifstream audit(audit_path_);
    std::size_t count = 0;
    for (std::string line; std::getline(audit, line);) {
      count += line.find(word) == std::string::npos ? 0 : 1;
    }
    return count;
  }

  asio::io_context io_{1};
  FakeTokenSource tokens_{io_};
  FakeTokenService service_{tokens_};
  std::optional<support::Started<Result<void>>> running_;
  bool is_helpful_ = false;
  int busy_saves_ = 0;  // attempts to save for which the supervisor has no file
  std::optional<usage::Table> saved_;

 private:
  void send(control::Kind kind, int descriptor = -1, std::int32_t value = 0, std::uint64_t number = 0) {
    control::Message message;
    message.kind = kind;
    message.value = value;
    message.number = number;
    EXPECT_TRUE(supervisor_->send(message, descriptor));
  }
  asio::awaitable<void> supervise() {
    while (true) {
      const Result<control::Received> received = co_await supervisor_->receive();
      if (!received) {
        co_return;
      }
      is_ready_ = is_ready_ || received->message.kind == control::Kind::ready;
      if (received->message.kind == control::Kind::open_usage_file) {
        open_usage_file(received->message.id);
      }
      if (received->message.kind == control::Kind::save_usage_file) {
        std::ifstream file(usage_path_);
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        auto table = usage::Table::parse(text);
        EXPECT_TRUE(table);
        saved_.emplace(std::move(*table));
      }
      if (is_helpful_ && received->message.kind == control::Kind::ask_identities) {
        control::Message answer;
        answer.kind = control::Kind::identities;
        answer.number = received->message.number;
        const auto asked = control::get_records<caller::Clues>(received->message);
        const std::vector<control::IdentityAnswer> answers(asked->size());
        control::set_records(answer, std::span<const control::IdentityAnswer>(answers));
        EXPECT_TRUE(supervisor_->send(answer));
      }
    }
  }

  void open_usage_file(std::uint32_t id) {
    control::Message message;
    message.kind = control::Kind::new_usage_file;
    message.id = id;
    UniqueFd file;
    if (busy_saves_ > 0) {
      --busy_saves_;
      message.error = EBUSY;
    } else {
      usage_path_ = directory_.file("callers");
      file = UniqueFd(::open(usage_path_.c_str(), O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600));
    }
    EXPECT_TRUE(supervisor_->send(message, file.get()));
  }

  support::TemporaryDirectory directory_;
  std::string audit_path_;
  std::string usage_path_;
  SocketAddress address_;
  std::optional<control::Channel> supervisor_;
  std::optional<SupervisorLink> link_;
  std::optional<Responder> responder_;
  bool is_ready_ = false;
};

TEST_F(DrainTest, EndsWhatWaitsForATokenWhenASuccessorComes) {
  auto client = connect_and_wait();
  drain(control::Backlog::leave);
  const std::string answer = client.read_to_end();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
  EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos) << answer;
  EXPECT_NE(answer.find(R"({"error":"unknown","error_description":"Failed to retrieve token from)"),
            std::string::npos)
      << answer;
  EXPECT_TRUE(leaves());
}

TEST_F(DrainTest, FetchesNothingMoreInAdvance) {
  const int before = service_.prefetches;
  EXPECT_GT(before, 0) << "serving begins with it";
  drain(control::Backlog::serve);
  EXPECT_TRUE(leaves());
  EXPECT_EQ(service_.prefetches, before + 1) << "the list is empty from here on";
}

TEST_F(DrainTest, RecordsWhatItEnded) {
  auto client = connect_and_wait();
  drain(control::Backlog::leave);
  EXPECT_TRUE(leaves());
  EXPECT_EQ(count_in_audit("outcome=failed"), 1U) << "though nobody has told who asked";
}

TEST_F(DrainTest, RecordsWhatWasAnsweredBeforeItWasKnownWhoAsked) {
  EXPECT_TRUE(connect().ask(kRequest).starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(count_in_audit("outcome=token"), 0U);
  drain(control::Backlog::leave);
  EXPECT_TRUE(leaves());
  EXPECT_EQ(count_in_audit("outcome=token"), 1U);
}

// The disk may not have finished with what was saved a moment before.
TEST_F(DrainTest, SavesTheTableWhenTheDiskIsReadyForIt) {
  EXPECT_TRUE(connect().ask(kRequest).starts_with("HTTP/1.1 200 "));
  busy_saves_ = 3;
  drain(control::Backlog::leave);
  EXPECT_TRUE(leaves());
  EXPECT_TRUE(support::run_until(io_, [this] { return saved_.has_value(); }));
  ASSERT_EQ(saved_->rows().size(), 1U);
  EXPECT_EQ(saved_->rows().front().requests, 1U);
}

TEST_F(DrainTest, AnswersWhatGetsItsTokenSoonEnough) {
  auto client = connect_and_wait();
  drain(control::Backlog::leave);
  tokens_.let_go();
  EXPECT_TRUE(client.read_to_end().starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(leaves());
}

TEST_F(DrainTest, TellsWhoHasSentHalfARequest) {
  auto client = connect();
  client.send(kRequest.substr(0, 20));
  io_.restart();
  io_.poll();
  drain(control::Backlog::leave);
  const std::string answer = client.read_to_end();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
  EXPECT_TRUE(leaves());
  EXPECT_EQ(count_in_audit("outcome=bad_request"), 1U);
}

TEST_F(DrainTest, DoesNotWaitForWhoOnlyConnects) {
  auto client = connect();
  io_.restart();
  io_.poll();
  drain(control::Backlog::leave);
  EXPECT_TRUE(leaves());
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(DrainTest, DoesNotWaitForWhoReadsNothing) {
  constexpr std::size_t kRequests = 64;
  token::Token token;
  token.access_token.assign(std::size_t{1024} * 1024, 'x');
  tokens_.reply = token::TokenResponse(std::make_shared<const token::Token>(token));
  auto client = connect();
  for (std::size_t i = 0; i < kRequests; ++i) {
    client.send(kRequest);
  }
  io_.restart();
  io_.poll();
  EXPECT_LT(tokens_.requests.size(), kRequests) << "an answer has no room";
  drain(control::Backlog::leave);
  EXPECT_TRUE(leaves());
  EXPECT_EQ(count_in_audit("outcome=token"), tokens_.requests.size());
}

TEST_F(DrainTest, TellsWhoWaitsForTooLongWithoutASuccessor) {
  auto client = connect_and_wait();
  drain(control::Backlog::serve, std::chrono::milliseconds(500));
  EXPECT_TRUE(client.read_to_end().starts_with("HTTP/1.1 500 "));
  EXPECT_TRUE(leaves());
  EXPECT_EQ(count_in_audit("outcome=failed"), 1U);
}

TEST_F(DrainTest, WaitsWhenThereIsNoSuccessor) {
  is_helpful_ = true;
  auto client = connect_and_wait();
  drain(control::Backlog::serve);
  io_.restart();
  io_.run_for(control::kHandOver);
  EXPECT_FALSE(service_.waits_ended);
  EXPECT_FALSE(running_->is_done());
  tokens_.let_go();
  EXPECT_TRUE(client.read_to_end().starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(leaves());
  EXPECT_EQ(count_in_audit("outcome=token"), 1U);
}

}  // namespace
}  // namespace msi2imds::responder
