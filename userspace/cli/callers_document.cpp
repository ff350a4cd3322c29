// SPDX-License-Identifier: MIT
#include "cli/callers_document.hpp"

#include <chrono>
#include <string>
#include <utility>

#include "admin/client.hpp"
#include "admin/status.hpp"
#include "cli/callers_report.hpp"

namespace msi2imds::cli {
namespace {

constexpr std::chrono::seconds kAskTime{5};

struct Document {
  std::string json;
  bool running = true;
};

bool nobody_listens(const Error& error) {
  return error.code() == boost::system::errc::no_such_file_or_directory ||
         error.code() == boost::system::errc::connection_refused;
}

Error explain(const Error& error) {
  return error.code() == boost::system::errc::permission_denied
             ? error.within("not permitted to ask; use sudo, or be in the responder's group")
             : error;
}

// From the process that records, else what the last one has left.
Result<Document> find_document(const config::Config& config) {
  Result<std::string> answer = admin::get(config.admin.socket, std::string(admin::kCallersTarget), kAskTime);
  if (answer) {
    return Document{std::move(*answer), true};
  }
  if (!nobody_listens(answer.error())) {
    return explain(answer.error());
  }
  if (config.callers.state_file.empty()) {
    return explain(answer.error()).within("msi2imds is not running");
  }
  Result<std::string> left = read_state_file(config.callers.state_file);
  if (left) {
    return Document{std::move(*left), false};
  }
  if (left.error().code() == boost::system::errc::no_such_file_or_directory) {
    return left.error().within("msi2imds is not running, and has recorded nothing");
  }
  return explain(left.error()).within("msi2imds is not running");
}

}  // namespace

Result<CallersDocument> find_callers(const config::Config& config) {
  const Result<Document> document = find_document(config);
  if (!document) {
    return document.error();
  }
  Result<usage::Table> table = usage::Table::parse(document->json);
  if (!table) {
    return document->running ? table.error()
                             : table.error().within("read '" + config.callers.state_file + "'");
  }
  return CallersDocument{.table = std::move(*table), .running = document->running};
}

}  // namespace msi2imds::cli
