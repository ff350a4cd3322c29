// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <array>
#include <utility>
#include <vector>

#include "accounts/getent.hpp"
#include "admin/client.hpp"
#include "admin/status.hpp"
#include "base/run_to_end.hpp"
#include "cli/callers_report.hpp"
#include "cli/commands.hpp"
#include "cli/silence.hpp"

namespace msi2imds::cli {
namespace {

struct Document {
  std::string json;
  bool running = true;
};

// From the process that records, else what the last one has left.
Result<Document> find_document(const config::Config& config) {
  Result<std::string> answer = admin::get(config.admin.socket, std::string(admin::kCallersTarget), kAskTime);
  if (answer) {
    return Document{std::move(*answer), true};
  }
  if (!nobody_listens(answer.error())) {
    return answer.error();
  }
  if (config.callers.state_file.empty()) {
    return answer.error().within("msi2imds is not running");
  }
  Result<std::string> left = read_state_file(config.callers.state_file);
  if (left) {
    return Document{std::move(*left), false};
  }
  if (left.error().code() == boost::system::errc::no_such_file_or_directory) {
    return left.error().within("msi2imds is not running, and has recorded nothing");
  }
  return left.error().within("msi2imds is not running");
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "this host";
}

// Those whom only a directory service knows.
void name_users(usage::Table& table) {
  constexpr std::size_t kMostAsked = 256;
  std::vector<uid_t> nameless;
  for (const usage::Row& row : table.rows()) {
    for (const usage::User& user : row.users) {
      if (user.name.empty() && nameless.size() < kMostAsked) {
        nameless.push_back(user.uid);
      }
    }
  }
  if (!nameless.empty()) {
    table.name_users(run_to_end(accounts::names_of(std::move(nameless))));
  }
}

}  // namespace

Result<CallersReport> make_report(const config::Config& config) {
  const Result<Document> document = find_document(config);
  if (!document) {
    return document.error();
  }
  Result<usage::Table> table = usage::Table::parse(document->json);
  if (!table) {
    return document->running ? table.error()
                             : table.error().within("read '" + config.callers.state_file + "'");
  }
  CallersReport report;
  report.host = host_name();
  report.made = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  report.quiet_days = config.retire.quiet_days;
  report.running = document->running;
  report.table = std::move(*table);
  name_users(report.table);
  report.verdict = usage::judge(report.table, report.made, report.quiet_days);
  return report;
}

}  // namespace msi2imds::cli
