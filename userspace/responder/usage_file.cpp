// SPDX-License-Identifier: MIT
#include "responder/usage_file.hpp"

#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>

#include "base/clock.hpp"
#include "base/descriptors.hpp"
#include "base/log.hpp"
#include "responder/read_all.hpp"
#include "usage/errors.hpp"

namespace msi2imds::responder {
namespace {

constexpr std::chrono::seconds kSaveInterval{10};
constexpr std::chrono::seconds kTryAgain{2};       // after a save that failed
constexpr std::chrono::seconds kMarkInterval{60};  // without a request
constexpr std::chrono::milliseconds kRetryInterval{10};

}  // namespace

void UsageFile::load(const UniqueFd& file) {
  has_file_ = true;
  if (!file) {
    return;
  }
  const Result<std::string> text = read_all(file, "the callers", usage::kMaxJson);
  Result<usage::Table> table = text ? usage::Table::parse(*text) : Result<usage::Table>(text.error());
  if (table) {
    recorder_.table() = std::move(*table);
    return;
  }
  if (table.error().code() == usage::Errc::newer_version) {
    has_file_ = false;  // not to be written over
    shortcoming_ = "who called is not kept across a restart, so as not to replace a newer table: cannot " +
                   table.error().message();
    log::warn("{}", shortcoming_);
    return;
  }
  control::Message message;
  message.kind = control::Kind::damaged_usage_file;
  message.set_text(table.error().message());
  (void)link_.tell(message);  // a supervisor that is gone is noticed by Responder::run()
}

asio::awaitable<void> UsageFile::keep() {
  asio::steady_timer timer(io_);
  std::chrono::steady_clock::time_point marked;
  while (true) {
    timer.expires_after(save_failure_.empty() ? kSaveInterval : kTryAgain);
    const auto [ec] = co_await timer.async_wait(kAsTuple);
    if (ec) {
      co_return;
    }
    const auto now = std::chrono::steady_clock::now();
    if (!recorder_.take_change() && save_failure_.empty() && now - marked < kMarkInterval) {
      continue;
    }
    marked = now;
    const Result<void> saved = co_await save();
    std::string failure = saved ? std::string() : saved.error().message();
    if (!saved && failure != save_failure_) {
      log::warn("cannot save the table of callers: {}", failure);
    }
    save_failure_ = std::move(failure);
  }
}

// The supervisor has one unfinished file: a second save would take it away from the first.
asio::awaitable<Result<void>> UsageFile::save() {
  while (is_saving_) {
    (void)co_await saved_.async_wait(kAsTuple);
  }
  is_saving_ = true;
  Result<void> written = co_await write();
  is_saving_ = false;
  saved_.cancel();
  co_return written;
}

asio::awaitable<Result<void>> UsageFile::save_at_the_end() {
  asio::steady_timer timer(io_);
  while (true) {
    Result<void> saved = co_await save();
    const bool is_busy =
        !saved && (saved.error().code() == boost::system::errc::device_or_resource_busy ||
                   saved.error().code() == boost::system::errc::resource_unavailable_try_again);
    if (!is_busy) {
      co_return saved;
    }
    timer.expires_after(kRetryInterval);
    (void)co_await timer.async_wait(kAsTuple);
  }
}

asio::awaitable<Result<void>> UsageFile::write() {
  recorder_.table().mark_recording(unix_seconds(std::chrono::system_clock::now()));
  if (!has_file_) {
    co_return Result<void>();
  }
  const Result<control::Received> file = co_await link_.ask(control::Kind::open_usage_file);
  if (!file) {
    co_return file.error();
  }
  const std::string text = recorder_.table().to_json();
  const Result<void> written = write_all(file->descriptor.get(), text, "write the callers' file");
  if (!written) {
    shortcoming_ = "who called is not kept across a restart: cannot " + written.error().message();
    co_return written;
  }
  shortcoming_.clear();
  control::Message message;
  message.kind = control::Kind::save_usage_file;
  message.number = text.size();
  co_return link_.tell(message);
}

}  // namespace msi2imds::responder
