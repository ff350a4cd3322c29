// SPDX-License-Identifier: MIT
#include "imds/pool.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace msi2imds::imds {
namespace {

// What has answered so lately is alive.
constexpr std::chrono::seconds kProven{1};

SteadyTime now() {
  return std::chrono::steady_clock::now();
}

bool is_proven(const Connection& connection) {
  return now() - connection.last_used() < kProven;
}

}  // namespace

// What is passed over makes room for the new connection that is made instead.
ConnectionPtr Pool::take(const token::TokenRequest& request, std::size_t max_silent) {
  if (request.bypass_cache) {  // a late copy of an earlier answer would be the token that its caller wants to
                               // be rid of
    return nullptr;
  }
  const std::size_t silent = count_silent();
  while (true) {
    const auto found = std::find_if(idle_.rbegin(), idle_.rend(), [&](const ConnectionPtr& connection) {
      return connection->history().suits(request);
    });
    if (found == idle_.rend()) {
      return nullptr;
    }
    ConnectionPtr connection = std::move(*found);
    idle_.erase(std::next(found).base());
    if (!connection->wake()) {
      continue;
    }
    if (silent >= (is_proven(*connection) ? max_silent : 1)) {
      return nullptr;
    }
    taken_.push_back(connection);
    return connection;
  }
}

std::size_t Pool::count_silent() {
  std::erase_if(taken_, [](const std::weak_ptr<Connection>& taken) {
    const ConnectionPtr connection = taken.lock();
    return !connection || !connection->is_silent();
  });
  return taken_.size();
}

void Pool::keep(ConnectionPtr connection, std::chrono::milliseconds idle_time) {
  if (connection->begun() <= forgotten_ || !is_trusting()) {
    return;
  }
  if (idle_.size() == kMaxIdleConnections) {
    idle_.erase(idle_.begin());
  }
  connection->rest(idle_time);
  idle_.push_back(std::move(connection));
}

std::size_t Pool::forget_unused_since(SteadyTime moment) {
  return std::erase_if(
      idle_, [moment](const ConnectionPtr& connection) { return connection->last_used() < moment; });
}

void Pool::forget_all() {
  forgotten_ = now();
  idle_.clear();
}

void Pool::distrust(std::chrono::seconds time) {
  trusted_again_ = now() + time;
  forget_all();
}

bool Pool::is_trusting() const {
  return now() >= trusted_again_;
}

}  // namespace msi2imds::imds
