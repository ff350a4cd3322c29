// SPDX-License-Identifier: MIT
// Links of cgroup_connect that are left to the next process, in a BPF file system.
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>

#include "base/run_to_end.hpp"
#include "kernel/bpf_file_system.hpp"
#include "kernel/bpf_objects.hpp"
#include "kernel/connection.hpp"
#include "kernel/plan.hpp"
#include "kernel/scratch_cgroup.hpp"
#include "loader/cgroup.hpp"
#include "loader/cgroup_attachment.hpp"
#include "redirect/cgroup_connect.hpp"

namespace msi2imds::kernel {
namespace {

std::size_t ours_on(const std::string& cgroup) {
  const auto directory = loader::open_cgroup(cgroup);
  return directory ? loader::programs_of_ours(directory->get()) : 0;
}

class PinnedCgroupConnectTest : public testing::Test {
 protected:
  void SetUp() override {
    if (ScratchCgroup::path().empty()) {
      GTEST_SKIP() << "no cgroup2 is mounted here";
    }
    plan_ = plan_for(redirector_, {kPort}, 342);
    plan_.pin_directory = files_.pins();
    listeners_ = std::make_unique<OpenListeners>(redirector_, plan_);
    const auto probed = run_to_end(redirector_.probe(plan_));
    if (!probed) {
      GTEST_SKIP() << "this kernel cannot: " << probed.error().message();
    }
    redirection_ = install();
    if (files_.names().empty()) {
      GTEST_SKIP() << "this kernel cannot pin links of cgroups";
    }
  }
  void TearDown() override {
    redirection_.reset();
    EXPECT_TRUE(files_.names().empty());
    EXPECT_TRUE(
        comes_true([] { return ScratchCgroup::path().empty() || ours_on(ScratchCgroup::path()) == 0; }));
  }

  std::unique_ptr<redirect::Redirection> install() {
    auto redirection = run_to_end(redirector_.install(plan_, listeners_->get()));
    EXPECT_TRUE(redirection) << redirection.error().message();
    return redirection ? std::move(*redirection) : nullptr;
  }
  [[nodiscard]] bool is_ours() const {
    const Dialled dialled = dial("127.0.0.1", kPort);
    return dialled.error == 0 && listeners_->accept();
  }
  [[nodiscard]] std::string why_not_in_force() const {
    const auto checked = run_to_end(redirection_->check());
    return checked ? "" : checked.error().message();
  }

  BpfFileSystem files_;
  redirect::CgroupConnectRedirector redirector_;
  redirect::Plan plan_;
  std::unique_ptr<OpenListeners> listeners_;
  std::unique_ptr<redirect::Redirection> redirection_;
};

TEST_F(PinnedCgroupConnectTest, IsTakenOverByTheNextOne) {
  const std::size_t attached = ours_on(ScratchCgroup::path());
  ASSERT_TRUE(redirection_->hand_over());
  redirection_.reset();
  EXPECT_TRUE(is_ours()) << "while nobody looks after it";
  const Dialled before = dial("127.0.0.1", kPort);
  redirection_ = install();
  EXPECT_EQ(ours_on(ScratchCgroup::path()), attached) << "in the place of those before";
  EXPECT_EQ(why_not_in_force(), "");
  EXPECT_TRUE(listeners_->accept());
  EXPECT_TRUE(is_ours());
  EXPECT_EQ(peer_of(before.socket), "127.0.0.1:50342") << "what was dialled is not forgotten";
}

TEST_F(PinnedCgroupConnectTest, IsRemovedWithWhatIsPinned) {
  redirection_.reset();
  EXPECT_EQ(ours_on(ScratchCgroup::path()), 0U) << "at once";
  EXPECT_TRUE(files_.names().empty());
}

TEST_F(PinnedCgroupConnectTest, LeftoversAreRemovedByName) {
  ASSERT_TRUE(redirection_->hand_over());
  redirection_.reset();
  const auto removed = run_to_end(redirector_.remove_leftovers(plan_, redirect::Removal::at_once));
  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_EQ(removed->size(), 4U);
  EXPECT_EQ(ours_on(ScratchCgroup::path()), 0U) << "at once";
  EXPECT_TRUE(files_.names().empty());
  EXPECT_TRUE(run_to_end(redirector_.remove_leftovers(plan_, redirect::Removal::at_once))->empty());
}

// Where connections cannot wait for the next process, nothing stays for it.
TEST_F(PinnedCgroupConnectTest, IsNotPinnedWhereItMayNotOutliveUs) {
  plan_.may_outlive_us = false;
  auto unpinned = install();
  EXPECT_TRUE(files_.names().empty()) << "of the one before, too";
  redirection_ = std::move(unpinned);
  EXPECT_TRUE(is_ours());
  EXPECT_EQ(why_not_in_force(), "");
  EXPECT_FALSE(redirection_->hand_over());
}

TEST_F(PinnedCgroupConnectTest, ReplacesOneOfTheSameProcess) {
  plan_.legacy_ports = {kOtherPort};
  auto second = install();
  redirection_ = std::move(second);  // the first one goes, and takes nothing along
  EXPECT_EQ(why_not_in_force(), "");
  EXPECT_EQ(dial("127.0.0.1", kPort).error, ECONNREFUSED);
  EXPECT_EQ(dial("127.0.0.1", kOtherPort).error, 0);
  EXPECT_TRUE(listeners_->accept());
  EXPECT_TRUE(redirection_->hand_over());
  redirection_ = install();
}

// Of two that take it from each other, neither would serve.
TEST_F(PinnedCgroupConnectTest, IsLeftToWhoeverTookIt) {
  const auto second = install();
  EXPECT_NE(why_not_in_force().find("another process"), std::string::npos) << why_not_in_force();
  const auto repaired = run_to_end(redirection_->repair());
  ASSERT_FALSE(repaired);
  EXPECT_EQ(repaired.error().code(), boost::system::errc::device_or_resource_busy);
  EXPECT_TRUE(run_to_end(second->check()));
  redirection_.reset();
  EXPECT_TRUE(run_to_end(second->check())) << "the first one's end is not the second one's";
  EXPECT_TRUE(is_ours());
}

TEST_F(PinnedCgroupConnectTest, IsPinnedAgainWhenThePinsAreGone) {
  const std::size_t pinned = files_.names().size();
  files_.unmount();
  EXPECT_EQ(why_not_in_force(), "") << "it is in force all the same";
  ASSERT_EQ(redirection_->remarks().size(), 1U);
  EXPECT_NE(redirection_->remarks().front().find("there is no BPF file system"), std::string::npos);
  EXPECT_TRUE(is_ours());
  ASSERT_TRUE(files_.mount());
  EXPECT_EQ(why_not_in_force(), "");
  EXPECT_TRUE(redirection_->remarks().empty());
  EXPECT_EQ(files_.names().size(), pinned);
}

// A link that somebody has detached is attached to nothing for good.
TEST_F(PinnedCgroupConnectTest, ReplacesALinkThatIsDetached) {
  const auto names = files_.names();
  const std::string path = files_.pins() + "/" +
                           *std::find_if(names.begin(), names.end(),
                                         [](const auto& name) { return name.ends_with("inet4_connect"); });
  const UniqueFd link(bpf_obj_get(path.c_str()));
  ASSERT_EQ(bpf_link_detach(link.get()), 0);
  EXPECT_NE(why_not_in_force(), "");
  EXPECT_TRUE(run_to_end(redirection_->repair()));
  EXPECT_EQ(why_not_in_force(), "");
  EXPECT_TRUE(is_ours());
  EXPECT_EQ(files_.names().size(), names.size());
}

TEST_F(PinnedCgroupConnectTest, ADetachedLinkOfAnEarlierProcessIsReplaced) {
  ASSERT_TRUE(redirection_->hand_over());
  redirection_.reset();
  for (const std::string& name : files_.names()) {
    const UniqueFd link(bpf_obj_get((files_.pins() + "/" + name).c_str()));
    (void)bpf_link_detach(link.get());  // fails for what is no link
  }
  ASSERT_EQ(ours_on(ScratchCgroup::path()), 0U);
  redirection_ = install();
  EXPECT_TRUE(redirection_->remarks().empty());
  EXPECT_TRUE(is_ours());
}

// What a process leaves that is killed between two steps, or was told other cgroups.
TEST_F(PinnedCgroupConnectTest, WhatTheNextOneDoesNotUseGoes) {
  const auto root = loader::open_cgroup("/");
  ASSERT_TRUE(root);
  const std::string service = ScratchCgroup::path() + "/service";
  ASSERT_EQ(::mkdirat(root->get(), service.c_str() + 1, 0755), 0);
  const std::size_t pinned = files_.names().size();
  plan_.cgroups.push_back(service);
  redirection_ = install();
  ASSERT_TRUE(redirection_->hand_over());
  redirection_.reset();
  EXPECT_GT(files_.names().size(), pinned);
  const auto names = files_.names();
  for (const std::string& name : names) {
    if (name.ends_with("inet6_connect")) {
      EXPECT_EQ(::unlink((files_.pins() + "/" + name).c_str()), 0) << "its program stays";
    }
  }
  plan_.cgroups.pop_back();
  redirection_ = install();
  EXPECT_EQ(files_.names().size(), pinned);
  EXPECT_TRUE(comes_true([&service] { return ours_on(service) == 0; })) << "the kernel takes its time";
  EXPECT_TRUE(is_ours());
  EXPECT_EQ(::unlinkat(root->get(), service.c_str() + 1, AT_REMOVEDIR), 0);
}

// Another version may know less, or remember in another form.
TEST_F(PinnedCgroupConnectTest, IsTakenOverByAnotherVersion) {
  const std::size_t pinned = files_.names().size();
  ASSERT_TRUE(redirection_->hand_over());
  const auto names = files_.names();
  const std::string memory =
      files_.pins() + "/" +
      *std::find_if(names.begin(), names.end(), [](const auto& name) { return name.ends_with("dialled"); });
  ASSERT_EQ(::unlink(memory.c_str()), 0);
  const UniqueFd other(bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "dialled", 8, 64, 16, nullptr));
  ASSERT_EQ(bpf_obj_pin(other.get(), memory.c_str()), 0);

  const redirect::CgroupConnectRedirector older(
      {redirect::ConnectVariant{redirect::ListenerGuard::storage, false}, loader::AttachMethod::link});
  redirection_ = *run_to_end(older.install(plan_, listeners_->get()));
  EXPECT_EQ(files_.names().size(), pinned - 4) << "two links less, and their programs";
  EXPECT_EQ(ours_on(ScratchCgroup::path()), 2U);
  EXPECT_TRUE(is_ours());
  ASSERT_TRUE(redirection_->hand_over());
  redirection_ = install();
  EXPECT_EQ(files_.names().size(), pinned);
  EXPECT_EQ(ours_on(ScratchCgroup::path()), 4U);
  EXPECT_TRUE(is_ours());
}

// A service that was restarted has another cgroup of the same name.
TEST_F(PinnedCgroupConnectTest, FollowsACgroupThatIsMadeAgain) {
  const auto root = loader::open_cgroup("/");
  ASSERT_TRUE(root);
  const std::string service = ScratchCgroup::path() + "/service";
  plan_.cgroups = {service};
  ASSERT_EQ(::mkdirat(root->get(), service.c_str() + 1, 0755), 0);
  redirection_ = install();
  const auto before = files_.names();
  ASSERT_EQ(::unlinkat(root->get(), service.c_str() + 1, AT_REMOVEDIR), 0);
  EXPECT_TRUE(comes_true([this] { return !why_not_in_force().empty(); }));
  ASSERT_EQ(::mkdirat(root->get(), service.c_str() + 1, 0755), 0);
  EXPECT_TRUE(run_to_end(redirection_->repair()));
  EXPECT_EQ(why_not_in_force(), "");
  EXPECT_GT(ours_on(service), 0U);
  const auto after = files_.names();
  EXPECT_EQ(after.size(), before.size());
  EXPECT_NE(after, before);
  ASSERT_TRUE(redirection_->hand_over());
  redirection_ = install();
  redirection_.reset();
  EXPECT_EQ(::unlinkat(root->get(), service.c_str() + 1, AT_REMOVEDIR), 0);
}

}  // namespace
}  // namespace msi2imds::kernel
