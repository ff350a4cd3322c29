// SPDX-License-Identifier: MIT
// However a client's bytes are split, and whenever they come, they get the same answers: what was captured of
// real clients, and what fuzzing began with and has found.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "unit/responder/service_fixture.hpp"

namespace msi2imds::responder {
namespace {

constexpr int kPatience = 10000;  // ms

struct Input {
  std::string name;
  std::string bytes;
};

std::vector<Input> inputs() {
  std::vector<Input> all;
  for (const char* directory : {CAPTURES_DIR, CORPUS_DIR}) {
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      std::ifstream file(entry.path(), std::ios::binary);
      all.push_back({entry.path().filename(), {std::istreambuf_iterator<char>(file), {}}});
    }
  }
  return all;
}

class SplittingTest : public ServiceFixture {
 protected:
  enum class When { before_it_is_accepted, once_it_waits, behind_another_request };

  // All that comes back when the bytes are sent in pieces of that size.
  std::string answers_to(std::string_view bytes, std::size_t size, When when) {
    const SocketAddress address = listener_->address();
    UniqueFd client(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(client.get(), address.get(), address.size()), 0);
    std::string answers;
    if (when != When::before_it_is_accepted) {
      receive(client, answers);
    }
    if (when == When::behind_another_request) {
      send(client, kRequest);
      while (!answers.ends_with('}')) {
        receive(client, answers);
      }
      answers.clear();
    }
    while (!bytes.empty()) {
      send(client, bytes.substr(0, size));
      bytes.remove_prefix(std::min(size, bytes.size()));
      if (!bytes.empty()) {
        receive(client, answers);
      }
    }
    (void)::shutdown(client.get(), SHUT_WR);
    while (receive(client, answers)) {
      pollfd waits{.fd = client.get(), .events = POLLIN, .revents = 0};
      EXPECT_NE(::poll(&waits, 1, kPatience), 0);
    }
    constexpr std::string_view kInvitation = "HTTP/1.1 100 Continue\r\n\r\n";  // only for who waits for it
    if (answers.starts_with(kInvitation)) {
      answers.erase(0, kInvitation.size());
    }
    return answers;
  }

 private:
  // Whoever was refused may be closed to.
  static void send(const UniqueFd& client, std::string_view bytes) {
    (void)::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  // False: the connection is over.
  bool receive(const UniqueFd& client, std::string& answers) {
    settle();
    std::array<char, 4096> part{};
    const ssize_t size = ::recv(client.get(), part.data(), part.size(), MSG_DONTWAIT);
    answers.append(part.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    return size > 0 || (size < 0 && errno == EAGAIN);
  }
};

TEST_F(SplittingTest, ChangesNoAnswer) {
  settings_.limits.header_bytes = 1024;
  settings_.limits.body_bytes = 512;
  for (const Input& input : inputs()) {
    SCOPED_TRACE(input.name);
    const std::size_t whole = input.bytes.size();
    tokens_.requests.clear();
    const std::string expected = answers_to(input.bytes, whole, When::before_it_is_accepted);
    const std::vector<token::TokenRequest> asked = tokens_.requests;
    for (const When when : {When::before_it_is_accepted, When::once_it_waits, When::behind_another_request}) {
      for (const std::size_t size : {whole, whole / 2 + 1, whole / 7 + 1, std::size_t{1}}) {
        tokens_.requests.clear();
        EXPECT_EQ(answers_to(input.bytes, size, when), expected) << "in pieces of " << size;
        const std::ptrdiff_t own = when == When::behind_another_request ? 1 : 0;
        ASSERT_GE(tokens_.requests.size(), static_cast<std::size_t>(own));
        EXPECT_TRUE(
            std::equal(tokens_.requests.begin() + own, tokens_.requests.end(), asked.begin(), asked.end()));
      }
    }
  }
}

}  // namespace
}  // namespace msi2imds::responder
