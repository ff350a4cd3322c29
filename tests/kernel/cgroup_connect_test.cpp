// SPDX-License-Identifier: MIT
// The variants of cgroup_connect that older kernels need, and what only this backend can do.
#include "redirect/cgroup_connect.hpp"
#include "base/run_to_end.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <sstream>

#include "kernel/redirection_fixture.hpp"
#include "loader/cgroup.hpp"

namespace msi2imds::kernel {
namespace {

using redirect::CgroupConnectRedirector;
using redirect::ConnectVariant;
using redirect::ListenerGuard;

struct Variant {
  const char* name;
  CgroupConnectRedirector::Forced forced;
};

const std::array kVariants = {
    Variant{"storage", {ConnectVariant{ListenerGuard::storage, true}, loader::AttachMethod::link}},
    Variant{"without_getpeername",
            {ConnectVariant{ListenerGuard::storage, false}, loader::AttachMethod::link}},
    Variant{"mark", {ConnectVariant{ListenerGuard::mark, false}, loader::AttachMethod::link}},
    Variant{"unguarded", {ConnectVariant{ListenerGuard::none, false}, loader::AttachMethod::link}},
    Variant{"storage_without_link",
            {ConnectVariant{ListenerGuard::storage, true}, loader::AttachMethod::without_link}},
    Variant{"mark_without_link",
            {ConnectVariant{ListenerGuard::mark, false}, loader::AttachMethod::without_link}},
};

// How many programs of any kind are on this process's cgroup.
std::size_t programs_on(const std::string& cgroup) {
  const auto directory = loader::open_cgroup(cgroup);
  EXPECT_TRUE(directory);
  std::size_t count = 0;
  for (const auto hook : {BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT, BPF_CGROUP_INET4_GETPEERNAME,
                          BPF_CGROUP_INET6_GETPEERNAME}) {
    std::array<std::uint32_t, 64> ids{};
    auto size = static_cast<std::uint32_t>(ids.size());
    if (bpf_prog_query(directory->get(), hook, 0, nullptr, ids.data(), &size) == 0) {
      count += size;
    }
  }
  return count;
}

std::size_t own_programs() {
  return programs_on(ScratchCgroup::path());
}

class CgroupConnectTest : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (ScratchCgroup::path().empty()) {
      GTEST_SKIP() << "no cgroup2 is mounted here";
    }
    const auto probed = run_to_end(redirector_.probe(plan_));
    if (!probed) {
      GTEST_SKIP() << "this kernel cannot: " << probed.error().message();
    }
    ASSERT_EQ(own_programs(), 0U);
  }
  void TearDown() override {
    redirection_.reset();
    EXPECT_TRUE(comes_true([] { return ScratchCgroup::path().empty() || own_programs() == 0; }));
  }

  void install() {
    auto redirection = run_to_end(redirector_.install(plan_, listeners_.get()));
    ASSERT_TRUE(redirection) << redirection.error().message();
    redirection_ = std::move(*redirection);
  }
  [[nodiscard]] bool is_ours(const std::string& address) const {
    const Dialled dialled = dial(address, kPort);
    return dialled.error == 0 && listeners_.accept();
  }
  [[nodiscard]] bool has_links() const {
    return GetParam().forced.method == loader::AttachMethod::link;
  }

  CgroupConnectRedirector redirector_{GetParam().forced};
  redirect::Plan plan_ = plan_for(redirector_, {kPort}, 342);
  OpenListeners listeners_{redirector_, plan_};
  std::unique_ptr<redirect::Redirection> redirection_;
};

INSTANTIATE_TEST_SUITE_P(Variants, CgroupConnectTest, testing::ValuesIn(kVariants),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST_P(CgroupConnectTest, TakesEveryFormOfTheLoopback) {
  install();
  for (const char* address :
       {"127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:127.9.9.9"}) {
    EXPECT_TRUE(is_ours(address)) << address;
  }
  EXPECT_EQ(dial(kNicAddress, kPort).error, ECONNREFUSED);
  EXPECT_EQ(dial("::ffff:" + kNicAddress, kPort).error, ECONNREFUSED);
  EXPECT_EQ(dial("127.0.0.1", kOtherPort).error, ECONNREFUSED);
}

TEST_P(CgroupConnectTest, ShowsWhatWasDialledWhereItCan) {
  install();
  const Dialled client = dial("127.9.9.9", kPort);
  ASSERT_EQ(client.error, 0);
  EXPECT_TRUE(listeners_.accept());
  const bool shows = GetParam().forced.variant->shows_dialled;
  EXPECT_EQ(peer_of(client.socket), shows ? "127.9.9.9:50342" : "127.0.0.1:342");
  EXPECT_EQ(redirection_->remarks().empty(), shows);
}

TEST_P(CgroupConnectTest, KnowsWhatAClientDialled) {
  install();
  for (const auto& [address, shown] :
       {std::pair("127.9.9.9", "127.9.9.9:50342"), std::pair("::1", "[::1]:50342"),
        std::pair("::ffff:127.1.1.1", "[::ffff:127.1.1.1]:50342"), std::pair("0.0.0.0", "127.0.0.1:50342")}) {
    const Dialled client = dial(address, kPort);
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    ASSERT_EQ(::getsockopt(client.socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
    const auto dialled = redirection_->dialled_by(cookie);
    ASSERT_TRUE(dialled) << address;
    EXPECT_EQ(dialled->to_string(), shown);
    EXPECT_TRUE(listeners_.accept());
  }
  EXPECT_FALSE(redirection_->dialled_by(1));
}

// In another network namespace, with a listener of its own on our port.
TEST_P(CgroupConnectTest, LeavesAContainerAlone) {
  if (GetParam().forced.variant->guard == ListenerGuard::none) {
    return;  // does not apply: it cannot tell, and says so
  }
  install();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!enter_new_network_namespace()) {
      ::_exit(10);
    }
    const UniqueFd on_our_port = listen_on("127.0.0.1", 342);
    const UniqueFd own_service = listen_on("127.0.0.1", kPort);
    const bool reaches_own = dial("127.0.0.1", kPort).error == 0 && accept_from(own_service.get());
    ::_exit(reaches_own && !accept_from(on_our_port.get()) ? 0 : 11);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// Whoever listens on our port instead of us gets none of our callers.
TEST_P(CgroupConnectTest, RedirectsToNobodyElse) {
  if (GetParam().forced.variant->guard == ListenerGuard::none) {
    return;  // does not apply: it cannot tell, and says so
  }
  install();
  listeners_.close();
  const UniqueFd somebody = listen_on("127.0.0.1", 342);
  EXPECT_EQ(dial("127.0.0.1", kPort).error, ECONNREFUSED);
  EXPECT_FALSE(accept_from(somebody.get()));
}

TEST_P(CgroupConnectTest, IsDetachedWhenItsProcessIsKilled) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const UniqueFd report(pipe[0]);
  UniqueFd reporter(pipe[1]);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto redirection = run_to_end(redirector_.install(plan_, listeners_.get()));
    if (::write(reporter.get(), redirection ? "y" : "n", 1) != 1) {
      ::_exit(2);
    }
    ::pause();
    ::_exit(1);
  }
  reporter.reset();
  char answer = 'n';
  EXPECT_EQ(::read(report.get(), &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_GT(own_programs(), 0U);
  EXPECT_EQ(::kill(child, SIGKILL), 0);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(comes_true([] { return own_programs() == 0; }));
}

TEST_P(CgroupConnectTest, CanBeHandedOverWithoutALink) {
  install();
  const std::size_t attached = own_programs();
  EXPECT_EQ(redirection_->hand_over(), !has_links());
  redirection_.reset();
  if (has_links()) {
    return;
  }
  EXPECT_EQ(own_programs(), attached);
  EXPECT_TRUE(is_ours("127.0.0.1"));
  install();
  EXPECT_EQ(own_programs(), attached) << "those of the process before are gone";
  EXPECT_TRUE(is_ours("127.0.0.1"));
}

TEST_P(CgroupConnectTest, LeftoversAreRemovedByName) {
  if (has_links()) {
    return;  // does not apply: nothing is left over
  }
  install();
  ASSERT_TRUE(redirection_->hand_over());
  redirection_.reset();
  const auto removed = run_to_end(redirector_.remove_leftovers(plan_, redirect::Removal::at_once));
  ASSERT_TRUE(removed);
  EXPECT_EQ(removed->size(), 1U);
  EXPECT_EQ(own_programs(), 0U);
  EXPECT_TRUE(run_to_end(redirector_.remove_leftovers(plan_, redirect::Removal::at_once))->empty());
}

// An earlier process may have been told other cgroups.
TEST_P(CgroupConnectTest, LeftoversAreFoundOnWhateverCgroup) {
  if (has_links()) {
    return;  // does not apply: nothing is left over
  }
  const auto root = loader::open_cgroup("/");
  ASSERT_TRUE(root);
  const std::string service = ScratchCgroup::path() + "/service";
  ASSERT_EQ(::mkdirat(root->get(), service.c_str() + 1, 0755), 0);
  const redirect::Plan elsewhere = plan_;
  for (const bool by_next_install : {false, true}) {
    plan_.cgroups = {service};
    install();
    ASSERT_TRUE(redirection_->hand_over());
    redirection_.reset();
    EXPECT_GT(programs_on(service), 0U);
    plan_ = elsewhere;
    if (by_next_install) {
      install();
    } else {
      EXPECT_EQ(run_to_end(redirector_.remove_leftovers(plan_, redirect::Removal::gently))->size(), 1U);
    }
    EXPECT_EQ(programs_on(service), 0U);
    redirection_.reset();
  }
  EXPECT_EQ(::unlinkat(root->get(), service.c_str() + 1, AT_REMOVEDIR), 0);
}

TEST_P(CgroupConnectTest, LeavesWhatWasPutThereFromAnotherNetworkNamespace) {
  if (has_links()) {
    return;  // does not apply: nobody detaches what a link holds
  }
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool elsewhere = ::unshare(CLONE_NEWNET) == 0;
    auto redirection = run_to_end(redirector_.install(plan_, listeners_.get()));
    ::_exit(elsewhere && redirection && (*redirection)->hand_over() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const std::size_t theirs = own_programs();
  EXPECT_GT(theirs, 0U);
  EXPECT_TRUE(run_to_end(redirector_.remove_leftovers(plan_, redirect::Removal::gently))->empty());
  install();
  EXPECT_GT(own_programs(), theirs);
  redirection_.reset();
  EXPECT_EQ(own_programs(), theirs);
  const auto cgroup = loader::open_cgroup(ScratchCgroup::path());
  ASSERT_TRUE(cgroup);
  EXPECT_EQ(loader::detach_leftovers(cgroup->get(), {}, [](int) { return true; }), theirs);
}

TEST_P(CgroupConnectTest, LeavesTheProgramsOfOthersOnTheSameHook) {
  const std::array<bpf_insn, 2> pass = {
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 1},
      bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  bpf_prog_load_opts options{};
  options.sz = sizeof options;
  options.expected_attach_type = BPF_CGROUP_INET4_CONNECT;
  const UniqueFd foreign(
      bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "foreign", "GPL", pass.data(), pass.size(), &options));
  const auto cgroup = loader::open_cgroup(ScratchCgroup::path());
  ASSERT_TRUE(foreign && cgroup);
  ASSERT_EQ(bpf_prog_attach(foreign.get(), cgroup->get(), BPF_CGROUP_INET4_CONNECT, BPF_F_ALLOW_MULTI), 0);
  install();
  EXPECT_TRUE(is_ours("127.0.0.1"));
  redirection_.reset();
  EXPECT_TRUE(comes_true([] { return own_programs() == 1; })) << "the foreign one";
  EXPECT_TRUE(run_to_end(redirector_.remove_leftovers(plan_, redirect::Removal::at_once))->empty());
  EXPECT_EQ(own_programs(), 1U);
  EXPECT_EQ(bpf_prog_detach2(foreign.get(), cgroup->get(), BPF_CGROUP_INET4_CONNECT), 0);
}

// Only processes in the cgroup are redirected; it comes and goes with its service.
TEST_P(CgroupConnectTest, FollowsACgroupThatIsMadeAgain) {
  const auto root = loader::open_cgroup("/");
  ASSERT_TRUE(root);
  const std::string service = ScratchCgroup::path() + "/service";
  plan_.cgroups = {service};
  install();
  EXPECT_FALSE(run_to_end(redirection_->check())) << "the cgroup is not there yet";
  EXPECT_FALSE(run_to_end(redirection_->repair()));
  for (int start = 0; start < 2; ++start) {
    ASSERT_EQ(::mkdirat(root->get(), service.c_str() + 1, 0755), 0);
    const auto repaired = run_to_end(redirection_->repair());
    EXPECT_TRUE(repaired) << repaired.error().message();
    EXPECT_TRUE(run_to_end(redirection_->check()));
    EXPECT_GT(programs_on(service), 0U);
    EXPECT_EQ(dial("127.0.0.1", kPort).error, ECONNREFUSED) << "this process is not in it";
    ASSERT_EQ(::unlinkat(root->get(), service.c_str() + 1, AT_REMOVEDIR), 0);
    EXPECT_TRUE(comes_true([this] { return !run_to_end(redirection_->check()); }));
  }
}

TEST_P(CgroupConnectTest, ACgroupThatIsMissingKeepsNoOtherWaiting) {
  const auto root = loader::open_cgroup("/");
  ASSERT_TRUE(root);
  const std::string service = ScratchCgroup::path() + "/service";
  plan_.cgroups = {ScratchCgroup::path() + "/missing", service};
  install();
  ASSERT_EQ(::mkdirat(root->get(), service.c_str() + 1, 0755), 0);
  EXPECT_FALSE(run_to_end(redirection_->repair())) << "one is missing";
  EXPECT_GT(programs_on(service), 0U);
  EXPECT_EQ(::unlinkat(root->get(), service.c_str() + 1, AT_REMOVEDIR), 0);
}

// Its programs may call before anybody asks the next time.
TEST_P(CgroupConnectTest, TellsThatItsCgroupIsMade) {
  const auto root = loader::open_cgroup("/");
  ASSERT_TRUE(root);
  const std::string slice = ScratchCgroup::path() + "/slice";
  const std::string service = slice + "/service";
  plan_.cgroups = {service};
  install();
  const auto is_told = [this] {
    pollfd alarm{.fd = redirection_->alarm(), .events = POLLIN, .revents = 0};
    std::array<char, 4096> events{};
    return ::poll(&alarm, 1, 5000) == 1 && ::read(alarm.fd, events.data(), events.size()) > 0;
  };
  for (int start = 0; start < 2; ++start) {
    ASSERT_EQ(::mkdirat(root->get(), slice.c_str() + 1, 0755), 0);
    EXPECT_TRUE(is_told()) << "of the one above it";
    EXPECT_FALSE(run_to_end(redirection_->repair()));
    ASSERT_EQ(::mkdirat(root->get(), service.c_str() + 1, 0755), 0);
    EXPECT_TRUE(is_told());
    EXPECT_TRUE(run_to_end(redirection_->repair()));
    ASSERT_EQ(::unlinkat(root->get(), service.c_str() + 1, AT_REMOVEDIR), 0);
    ASSERT_EQ(::unlinkat(root->get(), slice.c_str() + 1, AT_REMOVEDIR), 0);
  }
}

TEST(CgroupTest, OpensTheRootWhereNobodyHasMountedIt) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    bool hidden = ::unshare(CLONE_NEWNS) == 0 && ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    hidden = hidden && (::umount2("/sys/fs/cgroup/unified", MNT_DETACH) == 0 ||
                        ::umount2("/sys/fs/cgroup", MNT_DETACH) == 0);
    const auto opened = loader::open_cgroup("/");
    const auto below = loader::open_cgroup("/system.slice");
    std::ifstream mounts("/proc/self/mountinfo");
    std::stringstream text;
    text << mounts.rdbuf();
    const bool is_clean = text.str().find("/run/msi2imds/cgroup2") == std::string::npos;
    const bool is_root = opened && ::faccessat(opened->get(), "cgroup.procs", F_OK, 0) == 0;
    ::_exit(hidden && is_root && !below && is_clean ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace msi2imds::kernel
