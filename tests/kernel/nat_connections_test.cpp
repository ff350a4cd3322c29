// SPDX-License-Identifier: MIT
// What NAT means for connections, those that are under way above all.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "base/run_to_end.hpp"
#include "kernel/nat_fixture.hpp"
#include "kernel/rules.hpp"
#include "netlink/conntrack.hpp"
#include "netlink/kept_nat.hpp"
#include "netlink/original_destination.hpp"
#include "netlink/tcp_sockets.hpp"
#include "redirect/errors.hpp"
#include "redirect/tracking.hpp"

namespace msi2imds::kernel {
namespace {

class NatConnectionsTest : public NatFixture {
 protected:
  static std::string original_destination(const UniqueFd& accepted) {
    const auto original = netlink::original_destination(accepted.get());
    return original ? original->to_string() : original.error().message();
  }

  // Whether NAT is kept alive for connections that are under way.
  static bool is_closing() {
    const std::string rules = all_rules();
    return rules.find("msi2imds_closing") != std::string::npos ||
           rules.find("MSI2IMDS_CLOSING") != std::string::npos;
  }
};

INSTANTIATE_TEST_SUITE_P(Variants, NatConnectionsTest, testing::ValuesIn(nat_variants()), variant_of);

TEST_P(NatConnectionsTest, TellTheServerWhatTheClientDialled) {
  install();
  for (const char* address : {"127.0.0.1", "127.9.9.9", "::1"}) {
    const Dialled dialled = dial(address, kPort);
    ASSERT_EQ(dialled.error, 0) << address;
    const UniqueFd accepted = listeners_->accept();
    ASSERT_TRUE(accepted) << address;
    EXPECT_EQ(original_destination(accepted), peer_of(dialled.socket));
    EXPECT_EQ(SocketAddress::local_of(accepted.get())->port(), 342);
  }
}

TEST_P(NatConnectionsTest, HaveNoOtherDestinationWithoutNat) {
  install();
  for (const char* address : {"127.0.0.1", "::1"}) {
    const Dialled dialled = dial(address, 342);
    const UniqueFd accepted = listeners_->accept();
    ASSERT_TRUE(accepted) << address;
    EXPECT_EQ(original_destination(accepted), "ask for the original destination: No such file or directory");
  }
}

TEST_P(NatConnectionsTest, StayWhenTheRulesGo) {
  install();
  Dialled v4 = dial("127.0.0.1", kPort);
  UniqueFd v4_server = listeners_->accept();
  Dialled v6 = dial("::1", kPort);
  UniqueFd v6_server = listeners_->accept();
  uninstall();
  listeners_.reset();
  EXPECT_EQ(dial("127.0.0.1", kPort).error, ECONNREFUSED);
  EXPECT_TRUE(is_alive(v4.socket, v4_server));
  EXPECT_TRUE(is_alive(v6.socket, v6_server));
  EXPECT_TRUE(is_closing());
  v4.socket.reset();
  v4_server.reset();
  EXPECT_TRUE(is_alive(v6.socket, v6_server));
  v6.socket.reset();
  v6_server.reset();
  EXPECT_TRUE(comes_true([] { return !is_closing(); }));
}

// The kernel goes on translating the SYN that its client sends again.
TEST_P(NatConnectionsTest, AreMadeWhenTheRulesGoBeforeALostSynIsSentAgain) {
  install();
  std::vector<Dialled> others;
  for (int count = 0; count <= kListenBacklog; ++count) {
    others.push_back(dial("127.0.0.1", kPort));
  }
  const UniqueFd client = begin_to_dial("127.0.0.1", kPort);
  others.clear();
  while (listeners_->accept()) {
  }
  uninstall();
  EXPECT_EQ(outcome_of(client), 0);
  EXPECT_TRUE(is_alive(client, listeners_->accept()));
}

TEST_P(NatConnectionsTest, StayWhenAllRulesAreFlushed) {
  if (!netlink::keep_nat("msi2imds_test")) {
    GTEST_SKIP() << "before Linux 5.12, NAT goes with its last rule";
  }
  install();
  Dialled v4 = dial("127.0.0.1", kPort);
  UniqueFd v4_server = listeners_->accept();
  Dialled v6 = dial("::1", kPort);
  UniqueFd v6_server = listeners_->accept();
  remove_all_rules();
  EXPECT_EQ(dial("127.0.0.1", kPort).error, ECONNREFUSED);
  EXPECT_TRUE(is_alive(v4.socket, v4_server));
  EXPECT_TRUE(is_alive(v6.socket, v6_server));
  EXPECT_TRUE(run_to_end(redirection_->repair()));
  EXPECT_TRUE(is_ours("127.0.0.1", kPort));
}

// Whether the alarm has something to read.
bool rings(const redirect::Redirection& redirection) {
  pollfd alarm{.fd = redirection.alarm(), .events = POLLIN, .revents = 0};
  return ::poll(&alarm, 1, 0) == 1;
}

TEST_P(NatConnectionsTest, AnAlarmTellsOfAFlushAndOfNothingElse) {
  install();
  ASSERT_TRUE(run_to_end(redirection_->check()));
  const bool by_clock = GetParam().is_legacy();
  EXPECT_TRUE(by_clock || !rings(*redirection_)) << "our own changes were seen";
  run_tool("nft", {"add", "table", "inet", "foreign"});
  run_tool("nft", {"delete", "table", "inet", "foreign"});
  EXPECT_TRUE(comes_true([this] { return rings(*redirection_); }));
  EXPECT_FALSE(redirection_->heed_alarm());
  EXPECT_TRUE(by_clock || !rings(*redirection_)) << "it was read empty";
  remove_all_rules();
  EXPECT_TRUE(comes_true([this] { return rings(*redirection_); }));
  EXPECT_TRUE(redirection_->heed_alarm());
  EXPECT_TRUE(!by_clock || !redirection_->heed_alarm()) << "once for each change";
  EXPECT_FALSE(run_to_end(redirection_->check())) << "whoever heeds the alarm takes nothing from the check";
  EXPECT_TRUE(run_to_end(redirection_->repair()));
  EXPECT_FALSE(redirection_->heed_alarm());
}

TEST_P(NatConnectionsTest, AFlushRightAfterARepairRingsAgain) {
  install();
  ASSERT_TRUE(run_to_end(redirection_->check()));
  for (int flush = 0; flush < 3; ++flush) {
    remove_all_rules();
    EXPECT_TRUE(comes_true([this] { return rings(*redirection_); }));
    EXPECT_TRUE(redirection_->heed_alarm()) << flush;
    EXPECT_TRUE(run_to_end(redirection_->repair()));
  }
}

TEST_P(NatConnectionsTest, OthersChainsRingNoAlarmAndAreLookedAtInTheirTime) {
  install();
  ASSERT_TRUE(run_to_end(redirection_->check()));
  if (GetParam().is_legacy()) {
    run_tool("iptables-legacy", {"-t", "nat", "-N", "FOREIGN"});
  } else {
    const bool is_shared = !GetParam().iptables.empty();  // the table
    const std::string table = is_shared ? "nat" : "msi2imds";
    for (const char* change : {"add", "delete", "add"}) {
      run_tool("nft", {change, "chain", "ip", table, "FOREIGN"});
      EXPECT_TRUE(comes_true([this] { return rings(*redirection_); }));
      EXPECT_EQ(redirection_->heed_alarm(), !is_shared) << change;
    }
  }
  const int before = runner_->count;
  (void)run_to_end(redirection_->check());
  EXPECT_GT(runner_->count, before) << "the rules were looked at";
  remove_all_rules();
  EXPECT_TRUE(run_to_end(redirection_->repair()));
}

// Or packets of a later connection from that port, to whoever serves then, would be translated, too.
TEST_P(NatConnectionsTest, AreForgottenWithTheRules) {
  install();
  Dialled dialled = dial("127.0.0.1", kPort);
  UniqueFd server = listeners_->accept();
  const Dialled open = dial("127.0.0.1", kPort);
  const UniqueFd server_of_open = listeners_->accept();
  const auto is_known = [](const SocketAddress& client) {
    return netlink::servers_end(client, SocketAddress::ipv4_loopback(kPort)).has_value();
  };
  const auto client = SocketAddress::local_of(dialled.socket.get());
  const auto client_of_open = SocketAddress::local_of(open.socket.get());
  ASSERT_TRUE(client && client_of_open);
  dialled.socket.reset();
  server.reset();
  EXPECT_TRUE(is_known(*client)) << "the kernel keeps it for two minutes";
  uninstall();
  EXPECT_FALSE(is_known(*client));
  EXPECT_TRUE(is_known(*client_of_open));
}

TEST_P(NatConnectionsTest, GoThroughNewRulesWhileOldOnesClose) {
  install();
  Dialled old = dial("127.0.0.1", kPort);
  UniqueFd old_server = listeners_->accept();
  uninstall();
  ASSERT_TRUE(is_closing());
  install();
  EXPECT_TRUE(is_alive(old.socket, old_server));
  old.socket.reset();
  old_server.reset();
  EXPECT_TRUE(comes_true([] { return !is_closing(); }));
  EXPECT_TRUE(run_to_end(redirection_->check()));
  EXPECT_TRUE(is_ours("127.0.0.1", kPort));
}

// Somebody's rule for what is sent, as long as this exists.
class ForeignRule {
 public:
  ForeignRule(const std::string& priority, const std::string& rule) {
    run_tool("nft", {"-f", "/dev/stdin"},
             "table inet foreign {\n chain c {\n  type filter hook output priority " + priority + ";\n  " +
                 rule + "\n }\n}\n");
  }
  ForeignRule(const ForeignRule&) = delete;
  ForeignRule& operator=(const ForeignRule&) = delete;
  ~ForeignRule() {
    run_tool("nft", {"delete", "table", "inet", "foreign"});
  }
};

// It exempts connections from tracking.
class Notrack : public ForeignRule {
 public:
  explicit Notrack(const std::string& which) : ForeignRule("-300", which + " notrack") {}
};

const std::string kToPort = "tcp dport " + std::to_string(kPort);

TEST_P(NatConnectionsTest, AreRefusedAtOnceWhereTheyAreExemptFromTracking) {
  install();
  const Notrack notrack(kToPort);
  for (const char* address : {"127.0.0.1", "::1"}) {
    EXPECT_EQ(dial(address, kPort).error, ECONNREFUSED) << address;
    EXPECT_TRUE(is_ours(address, kSecondPort)) << address;
  }
}

// The rules are all there, so there is nothing to put back.
TEST_P(NatConnectionsTest, ThatAreExemptFromTrackingMakeACheckFail) {
  for (const std::string& which : {kToPort, std::string("oif \"lo\"")}) {
    install();
    const Notrack notrack(which);
    const auto repaired = run_to_end(redirection_->repair());
    ASSERT_FALSE(repaired) << which;
    EXPECT_EQ(repaired.error().code(), redirect::Errc::untracked) << repaired.error().message();
    EXPECT_FALSE(run_to_end(redirection_->check())) << which;
    uninstall();
  }
}

TEST_P(NatConnectionsTest, ThatAreExemptFromTrackingMakeAProbeFail) {
  const Notrack notrack(kToPort);
  const auto probed = run_to_end(redirector_->probe(plan_));
  ASSERT_FALSE(probed);
  EXPECT_EQ(probed.error().code(), redirect::Errc::untracked) << probed.error().message();
}

TEST_P(NatConnectionsTest, ThatAFilterRefusesAreNotTakenForExempt) {
  install();
  for (const std::string verdict : {"drop", "reject", "reject with tcp reset"}) {
    std::string rule = kToPort;
    rule.append(" ").append(verdict);
    const ForeignRule filter("0", rule);
    EXPECT_TRUE(redirect::find_all_tracked({kPort}, plan_.listen_port)) << verdict;
    EXPECT_TRUE(run_to_end(redirection_->check())) << verdict;
    EXPECT_TRUE(run_to_end(redirector_->probe(plan_))) << verdict;
    EXPECT_TRUE(is_ours("127.0.0.1", kPort)) << "it sees another port";
  }
}

// Its client would wait for ever if the kernel no longer translated the FIN.
TEST_P(NatConnectionsTest, EndForTheClientOfAProcessThatIsKilled) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const UniqueFd reports(pipe[0]);
  UniqueFd report(pipe[1]);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto redirection = run_to_end(redirector_->install(plan_, listeners_->get()));
    EXPECT_EQ(::write(report.get(), redirection ? "y" : "n", 1), 1);
    UniqueFd accepted;
    while (!accepted) {
      accepted = listeners_->accept();
    }
    EXPECT_EQ(::write(report.get(), "y", 1), 1);
    ::pause();
    ::_exit(1);
  }
  listeners_.reset();
  char answer = 'n';
  EXPECT_EQ(::read(reports.get(), &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  const Dialled client = dial("127.0.0.1", kPort);
  EXPECT_EQ(::read(reports.get(), &answer, 1), 1);
  EXPECT_EQ(::kill(child, SIGKILL), 0);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(::recv(client.socket.get(), &answer, 1, 0), 0);
}

// Its next SYN would reach nobody before the kernel has forgotten it again.
TEST(UnansweredClientsTest, AreNotMadeKnown) {
  UniqueFd server = listen_on("127.0.0.1", kPort, 0);
  Dialled first = dial("127.0.0.1", kPort);
  UniqueFd client = begin_to_dial("127.0.0.1", kPort);
  const auto unanswered = netlink::connections_to({kPort}, netlink::Which::unanswered);
  ASSERT_TRUE(unanswered);
  ASSERT_EQ(unanswered->size(), 1U);
  EXPECT_EQ(unanswered->front().local, *SocketAddress::local_of(client.get()));
  EXPECT_TRUE(netlink::connections_to({kOtherPort}, netlink::Which::unanswered)->empty());
  const auto known = netlink::make_known({kPort});
  ASSERT_TRUE(known) << known.error().message();
  EXPECT_EQ(*known, 1U) << "the first one";
  for (UniqueFd* socket : {&client, &first.socket, &server}) {
    socket->reset();
  }
  EXPECT_TRUE(netlink::forget_untranslated({kPort}));
}

}  // namespace
}  // namespace msi2imds::kernel
