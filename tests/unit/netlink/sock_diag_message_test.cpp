// SPDX-License-Identifier: MIT
#include "netlink/sock_diag_message.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "netlink/errors.hpp"

namespace msi2imds::netlink {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::uint32_t kSequence = 7;

template <typename T>
void append(Bytes& out, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <typename T>
Bytes attribute(int type, const T& value) {
  Bytes out;
  append(out, nlattr{.nla_len = NLA_HDRLEN + sizeof value, .nla_type = static_cast<__u16>(type)});
  append(out, value);
  return out;
}

Bytes message(int type, const Bytes& payload, std::uint32_t sequence = kSequence) {
  Bytes out;
  append(out, nlmsghdr{.nlmsg_len = static_cast<__u32>(sizeof(nlmsghdr) + payload.size()),
                       .nlmsg_type = static_cast<__u16>(type),
                       .nlmsg_flags = 0,
                       .nlmsg_seq = sequence,
                       .nlmsg_pid = 0});
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

Bytes operator+(Bytes first, const Bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

class AnswerTest : public testing::Test {
 protected:
  [[nodiscard]] Result<std::optional<ClientSocket>> read(const Bytes& datagram) const {
    return read_answer(datagram, question_);
  }

  [[nodiscard]] bool is_damaged(const Bytes& datagram) const {
    const auto answer = read(datagram);
    return !answer && answer.error().code() == Errc::damaged_answer;
  }

  [[nodiscard]] Bytes socket_message(const Bytes& attributes = {}) const {
    Bytes payload;
    append(payload, body_);
    return message(SOCK_DIAG_BY_FAMILY, payload + attributes);
  }

  [[nodiscard]] static Bytes error_message(int error) {
    Bytes payload;
    append(payload, nlmsgerr{.error = error, .msg = {}});
    return message(NLMSG_ERROR, payload);
  }

  static inet_diag_msg matching_body(const Question& question) {
    inet_diag_msg body{};
    body.idiag_family = AF_INET;
    body.idiag_state = TCP_ESTABLISHED;
    body.id = question.request.id;
    body.id.idiag_cookie[0] = 0x2;
    body.id.idiag_cookie[1] = 0x1;
    body.idiag_uid = 1234;
    body.idiag_inode = 5678;
    return body;
  }

  Question question_ = make_question(to_endpoint(SocketAddress::ipv4_loopback(40000)),
                                     to_endpoint(SocketAddress::ipv4_loopback(50342)), kSequence);
  inet_diag_msg body_ = matching_body(question_);
};

TEST_F(AnswerTest, GivesEveryField) {
  const auto answer = read(socket_message(attribute(INET_DIAG_CGROUP_ID, std::uint64_t{99})));
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->uid, 1234U);
  EXPECT_EQ((*answer)->inode, 5678U);
  EXPECT_EQ((*answer)->cookie, 0x1'0000'0002U);
  EXPECT_EQ((*answer)->cgroup_id, 99U);
  EXPECT_EQ((*answer)->state, TCP_ESTABLISHED);
}

TEST_F(AnswerTest, FindsTheCgroupBehindOtherAttributes) {
  const Bytes shutdown = attribute(INET_DIAG_SHUTDOWN, std::uint8_t{3}) + Bytes(3);
  const auto answer = read(socket_message(shutdown + attribute(INET_DIAG_CGROUP_ID, std::uint64_t{99})));
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->cgroup_id, 99U);
}

TEST_F(AnswerTest, DoesWithoutACgroup) {
  const auto answer = read(socket_message());
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->uid, 1234U);
  EXPECT_FALSE((*answer)->cgroup_id);
}

TEST_F(AnswerTest, IgnoresACgroupOfTheWrongSize) {
  const auto small = read(socket_message(attribute(INET_DIAG_CGROUP_ID, std::uint32_t{99})));
  ASSERT_TRUE(small && *small);
  EXPECT_FALSE((*small)->cgroup_id);
}

TEST_F(AnswerTest, IgnoresAttributesThatLeaveTheMessage) {
  for (const std::uint16_t size : std::initializer_list<std::uint16_t>{0, 3, 13, 0xffff}) {
    Bytes cgroup = attribute(INET_DIAG_CGROUP_ID, std::uint64_t{99});
    std::memcpy(cgroup.data(), &size, sizeof size);
    const auto answer = read(socket_message(cgroup));
    ASSERT_TRUE(answer && *answer) << size;
    EXPECT_FALSE((*answer)->cgroup_id) << size;
  }
}

TEST_F(AnswerTest, TakesAMappedClientForTheIpv4ThatWasAsked) {
  body_.idiag_family = AF_INET6;
  for (auto* address : {body_.id.idiag_src, body_.id.idiag_dst}) {
    address[3] = address[0];
    address[2] = htonl(0xffff);
    address[0] = 0;
  }
  const auto answer = read(socket_message());
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->uid, 1234U);
}

TEST_F(AnswerTest, RefusesAnotherSocket) {
  const auto original = body_;
  const auto is_refused = [&] {
    const auto answer = read(socket_message());
    body_ = original;
    return !answer && answer.error().code() == Errc::other_socket;
  };
  body_.id.idiag_sport ^= 1U;
  EXPECT_TRUE(is_refused());
  body_.id.idiag_dport ^= 1U;
  EXPECT_TRUE(is_refused());
  body_.id.idiag_src[0] ^= 1U;
  EXPECT_TRUE(is_refused());
  body_.id.idiag_dst[0] ^= 1U;
  EXPECT_TRUE(is_refused());
  body_.idiag_family = AF_INET6;
  EXPECT_TRUE(is_refused());
}

TEST_F(AnswerTest, SkipsAnswersToOtherQuestions) {
  Bytes payload;
  append(payload, body_);
  const Bytes stale = message(SOCK_DIAG_BY_FAMILY, payload, kSequence - 1);
  const auto nothing = read(stale);
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(*nothing);

  body_.idiag_uid = 4321;
  const auto answer = read(stale + socket_message());
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->uid, 4321U);
}

TEST_F(AnswerTest, SaysThatThereIsNoSuchSocket) {
  const auto answer = read(error_message(-ENOENT));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::no_such_socket);
}

TEST_F(AnswerTest, PassesOtherErrorsOn) {
  const auto answer = read(error_message(-EPERM));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message(), "ask sock_diag: Operation not permitted");
}

TEST_F(AnswerTest, RefusesErrorsThatAreNone) {
  for (const int error : {0, 1, -4096, INT_MIN, INT_MAX}) {
    EXPECT_TRUE(is_damaged(error_message(error))) << error;
  }
}

TEST_F(AnswerTest, RefusesAnErrorWithoutANumber) {
  EXPECT_TRUE(is_damaged(message(NLMSG_ERROR, Bytes(3))));
}

TEST_F(AnswerTest, RefusesUnknownKindsOfMessages) {
  EXPECT_TRUE(is_damaged(message(NLMSG_DONE, Bytes(200))));
  EXPECT_TRUE(is_damaged(message(SOCK_DIAG_BY_FAMILY + 1, Bytes(200))));
}

TEST_F(AnswerTest, RefusesEveryTruncation) {
  const Bytes whole = socket_message(attribute(INET_DIAG_CGROUP_ID, std::uint64_t{99}));
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_TRUE(is_damaged(part)) << size;
  }
}

TEST_F(AnswerTest, RefusesAMessageThatIsShorterThanASocket) {
  for (std::size_t size = 0; size < sizeof(inet_diag_msg); ++size) {
    EXPECT_TRUE(is_damaged(message(SOCK_DIAG_BY_FAMILY, Bytes(size)))) << size;
  }
}

TEST_F(AnswerTest, RefusesLengthsThatCannotBe) {
  for (const __u32 size : {0U, 15U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    Bytes datagram = socket_message();
    std::memcpy(datagram.data(), &size, sizeof size);
    EXPECT_TRUE(is_damaged(datagram)) << size;
  }
}

TEST_F(AnswerTest, EndsAfterAStaleMessageOfOddLength) {
  const auto answer = read(message(SOCK_DIAG_BY_FAMILY, Bytes(1), kSequence - 1));
  ASSERT_TRUE(answer);
  EXPECT_FALSE(*answer);
}

TEST_F(AnswerTest, FindsNothingInAnEmptyDatagram) {
  const auto answer = read({});
  ASSERT_TRUE(answer);
  EXPECT_FALSE(*answer);
}

TEST_F(AnswerTest, SurvivesAnyDamagedByte) {
  const Bytes whole = socket_message(attribute(INET_DIAG_CGROUP_ID, std::uint64_t{99}));
  std::size_t unharmed = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      Bytes datagram = whole;
      datagram[i] ^= static_cast<std::byte>(flip);
      const auto answer = read(datagram);
      unharmed += answer && *answer && (*answer)->cgroup_id == 99U ? 1 : 0;
    }
  }
  EXPECT_GT(unharmed, 0U);
  EXPECT_LT(unharmed, whole.size() * 3);
}

}  // namespace
}  // namespace msi2imds::netlink
