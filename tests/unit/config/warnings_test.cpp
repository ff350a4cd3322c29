// SPDX-License-Identifier: MIT
#include "config/warnings.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "config/read.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::config {
namespace {

std::vector<std::string> warnings_in(const std::string& toml) {
  const Result<Config> config = parse(toml, "f");
  EXPECT_TRUE(config) << config.error().message();
  std::vector<std::string> texts;
  for (const Warning& warning : config ? warnings_of(*config) : std::vector<Warning>()) {
    texts.push_back(to_string(warning));
  }
  return texts;
}

using Texts = std::vector<std::string>;

constexpr const char* kRefusesEverybody =
    "policy.mode = \"enforce\" without an [[allow]] rule refuses every caller; add an [[allow]] rule, or set "
    "policy.mode = \"audit\" or policy.default = \"allow\"";

TEST(WarningsTest, HasNothingToSayOfTheDefaults) {
  EXPECT_EQ(warnings_in(""), Texts());
}

TEST(WarningsTest, SaysThatEnforcingWithoutARuleRefusesEverybody) {
  EXPECT_EQ(warnings_in("policy.mode = 'enforce'"), Texts{kRefusesEverybody});
  EXPECT_EQ(warnings_in("[policy]\nmode = 'enforce'\ndefault = 'deny'"), Texts{kRefusesEverybody});
}

TEST(WarningsTest, IsSilentWhereSomebodyIsAllowed) {
  EXPECT_EQ(warnings_in("[policy]\nmode = 'enforce'\ndefault = 'allow'"), Texts());
  EXPECT_EQ(warnings_in("policy.mode = 'enforce'\n[[allow]]\nuid = 0"), Texts());
  EXPECT_EQ(warnings_in("policy.mode = 'audit'"), Texts());
}

TEST(WarningsTest, SaysThatContainersAreOpenToEverybody) {
  const std::string chosen = "legacy.container_networks = ['*']\n";
  EXPECT_EQ(
      warnings_in(chosen),
      Texts{"legacy.container_networks lets every process in these containers' networks have tokens, since "
            "nobody is refused; set policy.mode = \"enforce\", and allow containers by container_name"});
  EXPECT_EQ(warnings_in(chosen + "policy.mode = 'enforce'\n[[allow]]\ncontainer_name = 'web'"), Texts());
}

TEST(WarningsTest, SaysThatRefusedCallersCanAskImdsItself) {
  const auto way = [](const std::string& toml) {
    const auto around = way_around(*parse(toml, "f"));
    return around ? to_string(*around) : "";
  };
  EXPECT_EQ(way("policy.mode = 'enforce'\n[[allow]]\nuid = 0"),
            "whoever is refused can still ask http://169.254.169.254 itself; set policy.close_imds = true to "
            "close it "
            "to users whom no rule names");
  EXPECT_EQ(way(""), "");
  EXPECT_EQ(way("[policy]\nmode = 'enforce'\ndefault = 'allow'"), "");
  EXPECT_EQ(way("[policy]\nmode = 'enforce'\nclose_imds = true"), "");
}

TEST(WarningsTest, SaysThatClosingImdsHasNoEffectWhereNobodyIsRefused) {
  const Texts expected{
      "policy.close_imds closes nothing, since nobody is refused; set policy.mode = \"enforce\" and "
      "policy.default = "
      "\"deny\""};
  EXPECT_EQ(warnings_in("policy.close_imds = true"), expected);
  EXPECT_EQ(warnings_in("[policy]\nmode = 'enforce'\ndefault = 'allow'\nclose_imds = true"), expected);
  EXPECT_EQ(warnings_in("[policy]\nmode = 'enforce'\nclose_imds = true\n[[allow]]\nuid = 0"), Texts());
}

class ProgramWarningsTest : public ::testing::Test {
 protected:
  ProgramWarningsTest() {
    std::ofstream(program) << "x";
    std::filesystem::create_symlink("program-1.2", link);
  }

  [[nodiscard]] Texts with_programs(const std::string& list) const {
    return warnings_in("policy.mode = 'enforce'\n[[allow]]\nname = 'n'\nuid = 0\nprogram = [" + list + "]\n");
  }

  support::TemporaryDirectory directory;
  std::string program = std::filesystem::canonical(directory.path()).string() + "/program-1.2";
  std::string link = std::filesystem::canonical(directory.path()).string() + "/program";
};

TEST_F(ProgramWarningsTest, SaysThatALinkIsNobodysProgram) {
  EXPECT_EQ(with_programs("'" + link + "'"),
            Texts{"the rule \"n\" (f:2) allows nobody, since callers are known by the path without symbolic "
                  "links, and " +
                  link + " is one with them; name program = \"" + program + "\""});
}

TEST_F(ProgramWarningsTest, SaysThatADirectoryAndAScriptAreNobodysProgram) {
  const std::string folder = std::filesystem::canonical(directory.path()).string();
  EXPECT_EQ(with_programs("'" + folder + "'"), Texts{"the rule \"n\" (f:2) allows nobody, since " + folder +
                                                     " is a directory; name a program in it"});
  std::ofstream(program) << "#!/usr/bin/python3\n";
  EXPECT_EQ(with_programs("'" + program + "'"),
            Texts{"the rule \"n\" (f:2) allows nobody, since " + program +
                  " is a script, and its callers are known by the program that interprets it; name unit = or "
                  "user = instead"});
}

TEST_F(ProgramWarningsTest, DoesNotWaitForAFifo) {
  const std::string fifo = std::filesystem::canonical(directory.path()).string() + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(with_programs("'" + fifo + "'"), Texts{"the rule \"n\" (f:2) allows nobody, since " + fifo +
                                                   " is no regular file; name a program"});
}

TEST_F(ProgramWarningsTest, SaysThatALinkChoosesForNobody) {
  EXPECT_EQ(
      warnings_in("[[identity.rule]]\nname = 'n'\nprogram = '" + link +
                  "'\nclient_id = '01234567-89ab-cdef-0123-456789abcdef'"),
      Texts{"the rule \"n\" (f:1) chooses for nobody, since callers are known by the path without symbolic "
            "links, and " +
            link + " is one with them; name program = \"" + program + "\""});
}

TEST_F(ProgramWarningsTest, IsSilentWhereAnotherProgramOfTheRuleMayCall) {
  EXPECT_EQ(with_programs("'" + link + "', '" + program + "'"), Texts());
  EXPECT_EQ(with_programs("'" + link + "', '/not/there'"), Texts());
}

TEST_F(ProgramWarningsTest, IsSilentOnProgramsThatMayComeLater) {
  EXPECT_EQ(with_programs("'/not/there'"), Texts());
  EXPECT_EQ(with_programs("'" + program + "'"), Texts());
}

TEST_F(ProgramWarningsTest, KnowsALinkInTheMiddleOfThePath) {
  const std::string folder = std::filesystem::canonical(directory.path()).string() + "/folder";
  std::filesystem::create_directory_symlink(".", folder);
  EXPECT_EQ(with_programs("'" + folder + "/program-1.2'").size(), 1U);
}

}  // namespace
}  // namespace msi2imds::config
