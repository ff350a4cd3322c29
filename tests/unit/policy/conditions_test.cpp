// SPDX-License-Identifier: MIT
#include "policy/conditions.hpp"

#include <gtest/gtest.h>

namespace msi2imds::policy {
namespace {

token::TokenRequest some_request() {
  token::TokenRequest request;
  request.resource = "https://vault.azure.net/";
  return request;
}

caller::Identity known_caller() {
  caller::Identity caller;
  caller.uid = 34;
  caller.gids = {34};
  caller.program = "/usr/bin/backup";
  caller.program_is_verified = true;
  caller.cgroup = "/system.slice/backup.service";
  caller.unit = "backup.service";
  return caller;
}

template <typename Field, typename Value>
Conditions only(Field field, Value value) {
  Conditions conditions;
  conditions.*field = {std::move(value)};
  return conditions;
}

Met met_by(const Conditions& conditions, const caller::Identity& caller) {
  return meet(conditions, caller, some_request());
}

TEST(ConditionsTest, AreMetByEverybodyWithoutAny) {
  EXPECT_EQ(met_by({}, {}), Met::yes);
}

TEST(ConditionsTest, LeaveOpenWhatIsNotKnown) {
  const std::string unit = "backup.service";
  const std::string program = "/usr/bin/backup";
  for (const Conditions& conditions :
       {only(&Conditions::uids, 34U), only(&Conditions::gids, 34U), only(&Conditions::units, unit),
        only(&Conditions::units, "/system.slice/" + unit), only(&Conditions::programs, program)}) {
    EXPECT_EQ(met_by(conditions, {}), Met::unknown);
    EXPECT_EQ(met_by(conditions, known_caller()), Met::yes);
  }
}

// It may be the caller's: a rule that gives something does not, and one that takes something holds.
TEST(ConditionsTest, LeaveOpenWhoseNameIsNotYetKnown) {
  Conditions conditions = only(&Conditions::uids, kNotYetKnown);
  EXPECT_EQ(met_by(conditions, known_caller()), Met::unknown);
  conditions.uids.push_back(34);
  EXPECT_EQ(met_by(conditions, known_caller()), Met::yes);
  EXPECT_EQ(met_by(only(&Conditions::gids, kNotYetKnown), known_caller()), Met::unknown);
  conditions.uids = {kNotYetKnown};
  conditions.units = {"other.service"};
  EXPECT_EQ(met_by(conditions, known_caller()), Met::no) << "whoever it is";
}

TEST(ConditionsTest, LeaveOpenWhatIsInDoubt) {
  caller::Identity caller = known_caller();
  caller.is_in_doubt = true;
  caller.unknown_because = "another-user: uid 34 connected a socket that uid 0 had made";
  const std::string program = "/usr/bin/backup";
  for (const Conditions& conditions :
       {only(&Conditions::uids, 34U), only(&Conditions::uids, 0U), only(&Conditions::gids, 34U),
        only(&Conditions::units, std::string("backup.service")), only(&Conditions::programs, program)}) {
    EXPECT_EQ(met_by(conditions, caller), Met::unknown);
    EXPECT_NE(explain(conditions, caller, some_request()).find("not known: another-user: "),
              std::string::npos);
  }
  EXPECT_EQ(met_by(only(&Conditions::resources, some_request().resource), caller), Met::yes)
      << "it asks nothing of the caller";
}

TEST(ConditionsTest, AreRefutedByWhatIsKnown) {
  const std::string other = "/other";
  for (const Conditions& conditions :
       {only(&Conditions::uids, 1U), only(&Conditions::gids, 1U), only(&Conditions::units, other),
        only(&Conditions::units, std::string("other.service")), only(&Conditions::programs, other),
        only(&Conditions::resources, other), only(&Conditions::identities, other)}) {
    EXPECT_EQ(met_by(conditions, known_caller()), Met::no);
  }
  caller::Identity replaced = known_caller();
  replaced.program_is_verified = false;
  EXPECT_EQ(met_by(only(&Conditions::programs, replaced.program), replaced), Met::no) << "it is another file";
  caller::Identity without_unit = known_caller();
  without_unit.unit.clear();
  without_unit.cgroup = "/user.slice";
  EXPECT_EQ(met_by(only(&Conditions::units, std::string("backup.service")), without_unit), Met::no);
}

TEST(ConditionsTest, GoByTheContentOfAProgram) {
  const std::string hash(64, 'a');
  const Conditions conditions = only(&Conditions::sha256s, hash);
  EXPECT_TRUE(conditions.need_process());
  caller::Identity caller = known_caller();
  EXPECT_EQ(met_by(conditions, caller), Met::unknown);
  caller.sha256 = std::string(64, 'b');
  EXPECT_EQ(met_by(conditions, caller), Met::no);
  caller.sha256 = hash;
  EXPECT_EQ(met_by(conditions, caller), Met::yes);
}

TEST(ConditionsTest, GoByTheBeginningOfAContainersIdThatNoUserCouldHaveChosen) {
  const Conditions conditions = only(&Conditions::containers, std::string(12, 'a'));
  EXPECT_TRUE(conditions.need_process());
  caller::Identity caller;
  EXPECT_EQ(met_by(conditions, caller), Met::unknown);
  caller.cgroup = "/system.slice";
  EXPECT_EQ(met_by(conditions, caller), Met::no) << "it is in none";
  caller.container = std::string(64, 'a');
  EXPECT_EQ(met_by(conditions, caller), Met::no) << "a user may have named the cgroup so";
  caller.container_is_verified = true;
  EXPECT_EQ(met_by(conditions, caller), Met::yes);
  caller.container = std::string(11, 'a') + std::string(53, 'b');
  EXPECT_EQ(met_by(conditions, caller), Met::no);
}

caller::Identity caller_in_a_container() {
  caller::Identity caller;
  caller.cgroup = "/system.slice/docker-" + std::string(64, 'a') + ".scope";
  caller.container = std::string(64, 'a');
  caller.container_is_verified = true;
  caller.container_name = "shop/sync-7d9f4/sync";
  caller.container_image = "registry.example.com/app:2";
  return caller;
}

TEST(ConditionsTest, GoByWhatAContainerIsCalled) {
  const auto by_name = [](const std::string& pattern, const caller::Identity& caller) {
    return met_by(only(&Conditions::container_names, pattern), caller);
  };
  const auto by_image = [](const std::string& pattern, const caller::Identity& caller) {
    return met_by(only(&Conditions::container_images, pattern), caller);
  };
  const caller::Identity caller = caller_in_a_container();
  for (const std::string pattern : {"shop/sync-7d9f4/sync", "shop/*", "shop/sync-?*?/sync"}) {
    EXPECT_EQ(by_name(pattern, caller), Met::yes) << pattern;
  }
  for (const std::string pattern : {"shop", "shop/", "SHOP/*", "sync", "registry.example.com/app:2"}) {
    EXPECT_EQ(by_name(pattern, caller), Met::no) << pattern;
  }
  EXPECT_EQ(by_image("registry.example.com/app:*", caller), Met::yes);
  EXPECT_EQ(by_image("registry.example.com/app", caller), Met::no);
  EXPECT_EQ(by_image("shop/*", caller), Met::no);
  Conditions both = only(&Conditions::container_images, std::string("registry.example.com/app:*"));
  EXPECT_TRUE(both.need_process());
  both.container_names = {"other/*"};
  EXPECT_EQ(met_by(both, caller), Met::no);
  EXPECT_EQ(explain(both, caller, some_request()), "container_name is shop/sync-7d9f4/sync; wanted: other/*");
}

TEST(ConditionsTest, NeedAContainerOfWhichTheNameIsNoted) {
  const Conditions of_any_name = only(&Conditions::container_names, std::string("*"));
  const Conditions of_any_image = only(&Conditions::container_images, std::string("*"));
  EXPECT_TRUE(of_any_name.need_process());
  caller::Identity unnamed = caller_in_a_container();
  unnamed.container_name.clear();
  unnamed.container_image.clear();
  caller::Identity claimed = caller_in_a_container();
  claimed.container_is_verified = false;
  caller::Identity in_none = known_caller();
  in_none.container_name = "web";
  in_none.container_image = "nginx";
  for (const Conditions& conditions : {of_any_name, of_any_image}) {
    EXPECT_EQ(met_by(conditions, {}), Met::unknown);
    EXPECT_EQ(met_by(conditions, unnamed), Met::unknown);
    EXPECT_EQ(met_by(conditions, claimed), Met::no) << "a user may have named the cgroup so";
    EXPECT_EQ(met_by(conditions, in_none), Met::no);
  }
  EXPECT_EQ(explain(of_any_image, unnamed, some_request()),
            "container_image is not known: its runtime has not noted it where msi2imds looks; wanted: *");
  EXPECT_EQ(explain(of_any_name, claimed, some_request()),
            "container_name is " + claimed.container + ", which a user may have named so; wanted: *");
  EXPECT_EQ(explain(of_any_name, in_none, some_request()), "container_name is none; wanted: *");
}

TEST(ConditionsTest, DoNotTakeAUnitForItsWholePath) {
  caller::Identity caller;
  caller.unit = "backup.service";
  EXPECT_EQ(met_by(only(&Conditions::units, std::string("other.service")), caller), Met::no);
  EXPECT_EQ(met_by(only(&Conditions::units, std::string("/a/backup.service")), caller), Met::unknown);
}

caller::Identity caller_in(const std::string& cgroup, const std::string& unit) {
  caller::Identity caller;
  caller.cgroup = cgroup;
  caller.unit = unit;
  return caller;
}

TEST(ConditionsTest, AreMetByWhatRunsBelowASlice) {
  const auto in_slice = [](const std::string& slice, const caller::Identity& caller) {
    return met_by(only(&Conditions::units, slice), caller);
  };
  const caller::Identity web = caller_in("/apps.slice/apps-web.slice/web.service", "web.service");
  for (const std::string slice : {"apps.slice", "apps-web.slice", "apps-*.slice", "app?.slice", "-.slice"}) {
    EXPECT_EQ(in_slice(slice, web), Met::yes) << slice;
  }
  for (const std::string slice : {"web.slice", "apps-db.slice", "pps.slice", "APPS.slice"}) {
    EXPECT_EQ(in_slice(slice, web), Met::no) << slice;
  }
  EXPECT_EQ(in_slice("apps.slice", caller_in("/apps.slice", "")), Met::yes) << "in none of its units";
  EXPECT_EQ(in_slice("memory.slice", caller_in("/_memory.slice/web.service", "web.service")), Met::yes)
      << "as systemd escapes the name of a file of the kernel's";
  const caller::Identity of_a_user =
      caller_in("/user.slice/user-1000.slice/user@1000.service/apps.slice/web.service", "user@1000.service");
  EXPECT_EQ(in_slice("apps.slice", of_a_user), Met::no) << "a user has named it so";
  EXPECT_EQ(in_slice("user-*.slice", of_a_user), Met::yes);
  EXPECT_EQ(in_slice("apps.slice", caller_in("/docker/apps.slice", "")), Met::no);
  for (const std::string slice : {"apps.slice", "-.slice"}) {
    EXPECT_EQ(in_slice(slice, caller_in("", "web.service")), Met::unknown) << "where it is, is not known";
  }
}

TEST(ConditionsTest, AreMetByUnitsAsAPatternSays) {
  const Conditions of_docker = only(&Conditions::units, std::string("docker-*.scope"));
  const caller::Identity container = caller_in("/system.slice/docker-0a1b.scope", "docker-0a1b.scope");
  EXPECT_EQ(met_by(of_docker, container), Met::yes);
  EXPECT_EQ(met_by(of_docker, caller_in("/system.slice/docker.service", "docker.service")), Met::no);
  EXPECT_EQ(met_by(of_docker, caller_in("/system.slice/a.service/docker-0a1b.scope", "a.service")), Met::no);
  EXPECT_EQ(met_by(of_docker, caller_in("", "docker-0a1b.scope")), Met::yes);
  EXPECT_EQ(met_by(of_docker, {}), Met::unknown);
  const Conditions everything = only(&Conditions::units, std::string("*.service"));
  EXPECT_EQ(met_by(everything, caller_in("/user.slice", "")), Met::no);
  const Conditions a_path = only(&Conditions::units, std::string("/system.slice/docker-*.scope"));
  EXPECT_EQ(met_by(a_path, container), Met::no) << "a path is taken as it stands";
}

TEST(ConditionsTest, AreRefutedByOneWhateverElseIsUnknown) {
  Conditions conditions = only(&Conditions::programs, std::string("/usr/bin/backup"));
  conditions.uids = {34};
  caller::Identity caller;
  caller.unknown_because = "process 5 has ended";
  caller.uid = 1;
  EXPECT_EQ(met_by(conditions, caller), Met::no);
  EXPECT_EQ(explain(conditions, caller, some_request()), "uid is 1; wanted: 34");
  caller.uid = 34;
  EXPECT_EQ(met_by(conditions, caller), Met::unknown);
  EXPECT_EQ(explain(conditions, caller, some_request()),
            "program is not known: process 5 has ended; wanted: /usr/bin/backup");
  conditions.resources = {"https://storage*"};
  EXPECT_EQ(met_by(conditions, caller), Met::no);
}

}  // namespace
}  // namespace msi2imds::policy
