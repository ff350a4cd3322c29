// SPDX-License-Identifier: MIT
// What happens without the privileges that a backend needs.
#include <gtest/gtest.h>
#include <unistd.h>

#include <iostream>

#include "base/run_to_end.hpp"
#include "redirect/redirector.hpp"

namespace msi2imds::kernel {
namespace {

constexpr uid_t kNobody = 65534;

// Ends the process, after telling on stderr what a user without privileges gets.
[[noreturn]] void choose_as_nobody(const std::string& backend) {
  if (::setresgid(kNobody, kNobody, kNobody) != 0 || ::setresuid(kNobody, kNobody, kNobody) != 0) {
    ::_exit(2);
  }
  const auto choice = run_to_end(redirect::choose(backend, {}));
  if (!choice) {
    std::cerr << choice.error().message() << '\n';
    ::_exit(1);
  }
  std::cerr << choice->redirector->name() << " instead of";
  for (const std::string& refused : choice->refused) {
    std::cerr << ' ' << refused;
  }
  std::cerr << '\n';
  ::_exit(0);
}

TEST(PrivilegesDeathTest, SkLookupSaysThatItIsNotPermitted) {
  EXPECT_EXIT(choose_as_nobody("sk_lookup"), testing::ExitedWithCode(1),
              "sk_lookup: load the sk_lookup program: Operation not permitted");
}

TEST(PrivilegesDeathTest, NftablesSaysThatItIsNotPermitted) {
  EXPECT_EXIT(choose_as_nobody("nftables"), testing::ExitedWithCode(1),
              "nftables: run nft .*: not permitted");
}

TEST(PrivilegesDeathTest, IptablesSaysThatItIsNotPermitted) {
  EXPECT_EXIT(choose_as_nobody("iptables"), testing::ExitedWithCode(1),
              "iptables: run iptables-restore .*: not permitted");
}

TEST(PrivilegesDeathTest, AutoTakesListenAndSaysWhyNotTheOthers) {
  EXPECT_EXIT(choose_as_nobody("auto"), testing::ExitedWithCode(0),
              "listen instead of sk_lookup: load the sk_lookup program: Operation not permitted");
}

TEST(PrivilegesTest, RootNeedsNoLastResort) {
  const auto choice = run_to_end(redirect::choose("auto", {}));
  ASSERT_TRUE(choice);
  EXPECT_NE(choice->redirector->name(), "listen");
}

}  // namespace
}  // namespace msi2imds::kernel
