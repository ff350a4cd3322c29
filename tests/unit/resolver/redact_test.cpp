// SPDX-License-Identifier: MIT
#include "resolver/redact.hpp"

#include <gtest/gtest.h>

namespace msi2imds::resolver {
namespace {

using Arguments = std::vector<std::string>;

std::string redact_one(const std::string& argument) {
  return redact({argument}).front();
}

TEST(RedactTest, LeavesAnOrdinaryCommandLine) {
  const Arguments line = {"/usr/lib/jvm/java-17-openjdk-amd64/bin/java",
                          "-Xmx512m",
                          "-jar",
                          "/opt/app/app.jar",
                          "--listen=127.0.0.1:8080",
                          "--user",
                          "alice",
                          "https://example.org:443/path@v1?q=1",
                          "-u",
                          "root",
                          "",
                          "a b c"};
  EXPECT_EQ(redact(line), line);
}

TEST(RedactTest, TakesTheArgumentAfterANamedOption) {
  for (const char* option : {"--password", "--PASSWD", "-pwd", "--client-secret", "--access_token",
                             "--ApiKey", "--credential", "--sas-sig", "-auth"}) {
    EXPECT_EQ(redact({"app", option, "hunter 2", "rest"}), (Arguments{"app", option, "[redacted]", "rest"}));
  }
  EXPECT_EQ(redact({"app", "--use-auth", "--verbose"}), (Arguments{"app", "--use-auth", "--verbose"}));
  EXPECT_EQ(redact({"app", "--token"}), (Arguments{"app", "--token"}));
}

TEST(RedactTest, TakesWhatFollowsANameInTheSameArgument) {
  const std::pair<const char*, const char*> cases[] = {
      {"--password=hunter2", "--password=[redacted]"},
      {"DB_PASSWORD=hunter 2", "DB_PASSWORD=[redacted]"},
      {"-Djavax.net.ssl.keyStorePassword=x", "-Djavax.net.ssl.keyStorePassword=[redacted]"},
      {"Server=db;Pwd=a;b=c", "Server=db;Pwd=[redacted]"},
      {"Authorization: Bearer abc", "Authorization:[redacted]"},
      {R"({"a":1,"client_secret" : "x"})", R"({"a":1,"client_secret" :[redacted])"},
      {"curl --token abc https://h", "curl --token [redacted]"},
      {"https://h/blob?sv=1&sig=abc&se=2", "https://h/blob?sv=1&sig=[redacted]"},
      {"--token=", "--token="},
  };
  for (const auto& [argument, expected] : cases) {
    EXPECT_EQ(redact_one(argument), expected);
  }
}

TEST(RedactTest, TakesTheUserOutOfAUrl) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://bob:hunter2@h/path", "https://bob:[redacted]@h/path"},
      {"https://ghp_abc@h/path", "https://[redacted]@h/path"},
      {"postgres://bob:hunt/er@h/db", "postgres://bob:[redacted]@h/db"},
      {"a://b:c@d,e://f:g@h", "a://b:[redacted]@d,e://f:[redacted]@h"},
      {"x a://b:c@d y e://f:g@h", "x a://b:[redacted]@d y e://f:[redacted]@h"},
  };
  for (const auto& [argument, expected] : cases) {
    EXPECT_EQ(redact_one(argument), expected);
  }
  EXPECT_EQ(redact({"curl", "-u", "bob:hunter2"}).back(), "bob:[redacted]");
  EXPECT_EQ(redact({"-U", "--passwd=hunter2:x"}).back(), "--passwd=[redacted][redacted]");
}

TEST(RedactTest, TakesWhatFollowsBearer) {
  EXPECT_EQ(redact_one("header 'Bearer opaque' is wrong"), "header 'Bearer [redacted]");
  EXPECT_EQ(redact_one("Authorization: Bearer opaque"), "Authorization:[redacted]");
  EXPECT_EQ(redact_one(R"(x: "bearer" "opaque")"), R"(x: "bearer" [redacted])");
  EXPECT_EQ(redact({"h", "BEARER", "opaque", "rest"}), (Arguments{"h", "BEARER", "[redacted]", "rest"}));
  EXPECT_EQ(redact_one("a forbearer of them"), "a forbearer of them");
}

TEST(RedactTest, TakesAPasswordBehindTheUsersName) {
  const std::pair<const char*, const char*> cases[] = {
      {"curl -u me:hunter2 https://h", "curl -u me:[redacted] https://h"},
      {"curl -ume:hunter2 https://h", "curl -ume:[redacted] https://h"},
      {"-Ume:hunter2", "-Ume:[redacted]"},
      {"--user=me:hunter2", "--user=me:[redacted]"},
      {"curl -sku me:hunter2 https://h", "curl -sku me:[redacted] https://h"},
      {"curl -skume:hunter2 https://h", "curl -skume:[redacted] https://h"},
      {R"(["curl","-u","me:hunter2","h"])", R"(["curl","-u","me:[redacted]","h"])"},
      {R"(curl -ume:"hunter2" h)", R"(curl -ume:"[redacted]" h)"},
      {R"(curl -u "me:hunter2 and more" h)", R"(curl -u "me:[redacted]" h)"},
      {"find -mount a:b", "find -mount a:b"},
      {R"(sh -c "curl --proxy-user 'me:hunter2' h")", R"(sh -c "curl --proxy-user 'me:[redacted]' h")"},
      {"systemctl --user status a:b", "systemctl --user status a:b"},
      {"journalctl -u a.service", "journalctl -u a.service"},
  };
  for (const auto& [argument, expected] : cases) {
    EXPECT_EQ(redact_one(argument), expected);
  }
}

TEST(RedactTest, TakesAPasswordBehindAShortOptionOfProgramsKnownForIt) {
  const std::pair<Arguments, Arguments> cases[] = {
      {{"sshpass", "-p", "hunter2", "ssh", "host"}, {"sshpass", "-p", "[redacted]", "ssh", "host"}},
      {{"/usr/bin/sshpass", "-phunter2", "ssh"}, {"/usr/bin/sshpass", "-p[redacted]", "ssh"}},
      {{"mysqldump", "-ume", "-phunter2", "db"}, {"mysqldump", "-ume", "-p[redacted]", "db"}},
      {{"mysql", "-p", "db"}, {"mysql", "-p", "db"}},
      {{"sh", "-c", "mariadb -phunter2 db"}, {"sh", "-c", "mariadb -p[redacted] db"}},
      {{"sh", "-c", "mysql -p'hunter2 and more' db"}, {"sh", "-c", "mysql -p'[redacted]' db"}},
      {{R"(["sshpass","-p","hunter2","ssh"])"}, {R"(["sshpass","-p","[redacted]","ssh"])"}},
      {{"sh", "-c", "redis-cli -a 'hunter2 and more' ping"}, {"sh", "-c", "redis-cli -a '[redacted]' ping"}},
      {{"docker", "login", "-p", "hunter2", "r.example"},
       {"docker", "login", "-p", "[redacted]", "r.example"}},
      {{"docker", "run", "-p", "80:80", "nginx"}, {"docker", "run", "-p", "80:80", "nginx"}},
      {{"ldapsearch", "-x", "-w", "hunter2"}, {"ldapsearch", "-x", "-w", "[redacted]"}},
      {{"smbclient", "-U", "me%hunter2", "//h/s"}, {"smbclient", "-U", "me%[redacted]", "//h/s"}},
      {{"smbclient -Ume%hunter2"}, {"smbclient -Ume%[redacted]"}},
      {{"plink", "-pw", "hunter2", "h"}, {"plink", "-pw", "[redacted]", "h"}},
      {{"ssh", "-p", "2222", "host"}, {"ssh", "-p", "2222", "host"}},
  };
  for (const auto& [arguments, expected] : cases) {
    EXPECT_EQ(redact(arguments), expected);
  }
}

TEST(RedactTest, TakesAnEncodedPairBehindBasic) {
  EXPECT_EQ(redact_one("-H 'x: Basic dXNlcjpwYXNz'"), "-H 'x: Basic [redacted]'");
  EXPECT_EQ(redact({"h", "basic", "bWU6cHc=", "rest"}), (Arguments{"h", "basic", "[redacted]", "rest"}));
  EXPECT_EQ(redact_one("a basic text"), "a basic text");
  EXPECT_EQ(redact_one(R"({"basic","password" : "hunter2"})"), R"({"basic","[redacted]" :[redacted])");
  EXPECT_EQ(redact_one("basic --credential hunter2"), "basic --credential [redacted]");
}

TEST(RedactTest, TakesWhatLooksLikeAToken) {
  EXPECT_EQ(redact_one("x eyJhbGciOiJub25lIn0.eyJhIjoxfQ.sig y"), "x [redacted] y");
  EXPECT_EQ(redact_one("Bearer=" + std::string(40, 'a') + "=="), "Bearer=[redacted]");
  EXPECT_EQ(redact_one(std::string(39, 'a')), std::string(39, 'a'));
  EXPECT_EQ(redact_one("0123456789abcdef0123456789abcdef01234567"), "[redacted]");
  EXPECT_EQ(redact_one("abcdefghijklmnopqr/stuvwxyzABCDEFGHIJK/LMNOP"), "[redacted]");
}

// Where each character cost a look at all others, this would take hours.
TEST(RedactTest, TakesLinearTimeOnAnyText) {
  constexpr std::size_t kSize = std::size_t{512} * 1024;
  for (const char* piece : {" ", "=", "://", "a://b:", "@://", "key ", " -", "'", "a=", "eyJ", "-pass' ",
                            "\\", "-u ", "bearer"}) {
    std::string text;
    while (text.size() < kSize) {
      text += piece;
    }
    EXPECT_FALSE(redact({text}).front().empty()) << piece;
  }
}

TEST(RedactTest, BearsAnyBytes) {
  std::string all;
  for (int byte = 1; byte < 256; ++byte) {
    all += static_cast<char>(byte);
  }
  for (std::size_t size = 0; size < all.size(); ++size) {
    (void)redact({all.substr(size), all.substr(0, size), "://", "=", ":", "-", "--key"});
  }
}

}  // namespace
}  // namespace msi2imds::resolver
