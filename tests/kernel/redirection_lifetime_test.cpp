// SPDX-License-Identifier: MIT
// What installing, losing and removing a redirection does.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "base/run_to_end.hpp"
#include "kernel/redirection_fixture.hpp"
#include "support_cpp/sockets.hpp"

namespace msi2imds::kernel {
namespace {

class RedirectionLifetimeTest : public RedirectionFixture {};

INSTANTIATE_TEST_SUITE_P(Backends, RedirectionLifetimeTest, testing::ValuesIn(all_backends()), backend_of);

TEST_P(RedirectionLifetimeTest, ProbeSucceedsAndLeavesNothing) {
  const std::size_t programs = count_our_programs();
  ASSERT_TRUE(run_to_end(redirector_->probe(plan_)));  // libbpf keeps a few descriptors after its first use
  const auto descriptors = support::count_open_descriptors();
  const auto probed = run_to_end(redirector_->probe(plan_));
  EXPECT_TRUE(probed) << probed.error().message();
  EXPECT_EQ(support::count_open_descriptors(), descriptors);
  EXPECT_TRUE(attached_links().empty());
  EXPECT_TRUE(comes_true([programs] { return count_our_programs() <= programs; }));
  EXPECT_EQ(all_rules(), rules_before_);
}

TEST_P(RedirectionLifetimeTest, ProbeTakesNoConnection) {
  if (!abilities_.leaves_the_port_free) {
    return;  // does not apply: the port is ours
  }
  install();
  ASSERT_TRUE(run_to_end(redirector_->probe(plan_)));
  EXPECT_TRUE(is_ours("127.0.0.1", kPort)) << "a probe beside a redirection";
}

TEST_P(RedirectionLifetimeTest, IsInForceOnceInstalled) {
  install();
  const auto checked = run_to_end(redirection_->check());
  EXPECT_TRUE(checked) << checked.error().message();
}

// Whoever served before may go as soon as we are there.
TEST_P(RedirectionLifetimeTest, IsThereForAClientWhoseSynWasLostBefore) {
  if (!abilities_.leaves_the_port_free) {
    return;  // does not apply: the port is ours
  }
  UniqueFd earlier = listen_on("127.0.0.1", kPort, 0);
  const Dialled first = dial("127.0.0.1", kPort);
  const UniqueFd client = begin_to_dial("127.0.0.1", kPort);
  const UniqueFd server_of_first = accept_from(earlier.get());
  ASSERT_TRUE(server_of_first);
  install();
  const UniqueFd server = accept_from(earlier.get());  // where install() has waited for it
  earlier.reset();
  EXPECT_EQ(outcome_of(client), 0);
  EXPECT_TRUE(server || listeners_->accept());
}

TEST_P(RedirectionLifetimeTest, RemovesProgramAndLink) {
  install();
  const auto links = attached_links();
  uninstall();
  EXPECT_TRUE(comes_true([] { return attached_links().empty(); }));
  for (const AttachedLink& link : links) {
    EXPECT_TRUE(comes_true([&link] { return !program_exists(link.program_id); }));
  }
}

TEST_P(RedirectionLifetimeTest, RemovesRulesBeforeItIsDestroyed) {
  install();
  EXPECT_TRUE(run_to_end(redirection_->remove()));
  EXPECT_EQ(all_rules(), rules_before_);
  uninstall();
  EXPECT_EQ(all_rules(), rules_before_);
  EXPECT_TRUE(comes_true([] { return attached_links().empty(); }));
}

TEST_P(RedirectionLifetimeTest, GivesTheExtensionItsConnectionsBack) {
  if (!abilities_.leaves_the_port_free) {
    return;  // does not apply: the port is ours
  }
  const UniqueFd extension = listen_on("127.0.0.1", kPort);
  install();
  ASSERT_TRUE(is_ours("127.0.0.1", kPort));
  uninstall();
  EXPECT_EQ(dial("127.0.0.1", kPort).error, 0);
  EXPECT_TRUE(accept_from(extension.get()));
}

TEST_P(RedirectionLifetimeTest, LetsConnectionsFallThroughWithoutAListener) {
  install();
  listeners_->close();
  EXPECT_EQ(dial("127.0.0.1", kPort).error, ECONNREFUSED);
  EXPECT_EQ(dial("::1", kPort).error, ECONNREFUSED);
  const UniqueFd extension = listen_on("127.0.0.1", kPort);
  EXPECT_EQ(dial("127.0.0.1", kPort).error, abilities_.falls_through ? 0 : ECONNREFUSED);
  EXPECT_EQ(static_cast<bool>(accept_from(extension.get())), abilities_.falls_through);
}

TEST_P(RedirectionLifetimeTest, SaysThatItsListenerIsGone) {
  if (!abilities_.notices_lost_listener) {
    return;  // does not apply: this backend cannot tell
  }
  install();
  listeners_->close();
  const auto checked = run_to_end(redirection_->check());
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().message().find("listener"), std::string::npos) << checked.error().message();
}

TEST_P(RedirectionLifetimeTest, KeepsEstablishedConnectionsWhenItIsRemoved) {
  install();
  const Dialled client = dial("127.0.0.1", kPort);
  const UniqueFd server = listeners_->accept();
  ASSERT_TRUE(server);
  uninstall();
  listeners_->close();
  EXPECT_TRUE(is_alive(client.socket, server));
}

TEST_P(RedirectionLifetimeTest, KeepsConnectionsToTheExtensionWhenItIsInstalled) {
  if (!abilities_.leaves_the_port_free) {
    return;  // does not apply: the port is ours
  }
  const UniqueFd extension = listen_on("127.0.0.1", kPort);
  const Dialled client = dial("127.0.0.1", kPort);
  const UniqueFd server = accept_from(extension.get());
  ASSERT_TRUE(server);
  install();
  EXPECT_TRUE(is_alive(client.socket, server));
}

// What is left to a guard then goes soon after.
TEST_P(RedirectionLifetimeTest, IsRemovedByItsDestruction) {
  install();
  redirection_.reset();
  EXPECT_TRUE(comes_true([this] { return all_rules() == rules_before_ && attached_links().empty(); }));
}

// What a reload does: the new one is there before the old one goes.
TEST_P(RedirectionLifetimeTest, IsReplacedWithoutAGap) {
  install();
  const redirect::Plan plan = plan_for(*redirector_, {kPort, kOtherPort}, 343);
  if (!abilities_.leaves_the_port_free) {
    return;  // does not apply: the port is ours
  }
  const OpenListeners listeners(*redirector_, plan);
  const auto second = run_to_end(redirector_->install(plan, listeners.get()));
  ASSERT_TRUE(second) << second.error().message();
  const Dialled meanwhile = dial("127.0.0.1", kPort);
  ASSERT_EQ(meanwhile.error, 0);
  EXPECT_TRUE(listeners_->accept() || listeners.accept());

  redirection_->give_way();
  uninstall();
  EXPECT_EQ(dial("127.0.0.1", kPort).error, 0);
  EXPECT_TRUE(listeners.accept());
  EXPECT_EQ(dial("127.0.0.1", kOtherPort).error, 0);
  EXPECT_TRUE(listeners.accept());
  EXPECT_EQ(dial("127.0.0.1", kSecondPort).error, ECONNREFUSED) << "no longer redirected";
  EXPECT_TRUE(run_to_end((*second)->check()));
}

TEST_P(RedirectionLifetimeTest, WorksWithoutAnIpv6Listener) {
  auto v4_only = listeners_->get();
  std::erase_if(v4_only, [](const auto& listener) { return listener.address.family() == AF_INET6; });
  const auto redirection = run_to_end(redirector_->install(plan_, v4_only));
  ASSERT_TRUE(redirection) << redirection.error().message();
  EXPECT_TRUE(run_to_end((*redirection)->check()));
  EXPECT_TRUE(is_ours("127.0.0.1", kPort));
}

TEST_P(RedirectionLifetimeTest, GoesWithAProcessThatIsKilled) {
  plan_.may_outlive_us = false;
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const UniqueFd installed(pipe[0]);
  UniqueFd report(pipe[1]);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto redirection = run_to_end(redirector_->install(plan_, listeners_->get()));
    if (::write(report.get(), redirection ? "y" : "n", 1) != 1) {
      ::_exit(2);
    }
    ::pause();
    ::_exit(1);
  }
  report.reset();
  char answer = 'n';
  EXPECT_EQ(::read(installed.get(), &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  const auto links = attached_links();
  EXPECT_EQ(all_rules() != rules_before_, abilities_.uses_nat);
  EXPECT_EQ(::kill(child, SIGKILL), 0);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(comes_true([this] { return all_rules() == rules_before_; })) << all_rules();
  EXPECT_TRUE(comes_true([] { return attached_links().empty(); }));
  for (const AttachedLink& link : links) {
    EXPECT_TRUE(comes_true([&link] { return !program_exists(link.program_id); }));
  }
}

}  // namespace
}  // namespace msi2imds::kernel
