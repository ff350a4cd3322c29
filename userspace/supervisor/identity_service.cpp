// SPDX-License-Identifier: MIT
#include "supervisor/identity_service.hpp"

#include <cstddef>
#include <utility>

#include "loader/cgroup.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr std::size_t kMostEarly = 1024;

}  // namespace

asio::awaitable<std::vector<IdentityService::Caller>> IdentityService::identify(
    std::vector<caller::Clues> clues) {
  if (!resolver_) {
    // Without a cgroup2 units are known by their processes.
    if (Result<UniqueFd> root = loader::open_cgroup("/"); root) {
      cgroup_root_ = std::move(*root);
    }
    resolver::Settings settings;
    settings.cgroup_root = cgroup_root_.get();
    settings.hear_command_line = [this](const resolver::SerializedIdentity& identity, std::string_view line) {
      hear_command_line(*identity, line);
    };
    resolver_ = std::make_unique<resolver::Resolver>(io_, settings);
  }
  std::vector<Caller> callers(clues.size());
  for (std::size_t i = 0; i < clues.size(); ++i) {
    callers[i].dialled_at = clues[i].dialled_at;
  }
  std::vector<caller::Clues> to_resolve;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < clues.size(); ++i) {
    if (!clues[i].are_none()) {
      to_resolve.push_back(clues[i]);
      to_resolve.back().wants_sha256 = wants_sha256_;
      places.push_back(i);
    }
  }
  const std::vector<resolver::SerializedIdentity> identities =
      co_await resolver_->resolve(std::move(to_resolve));
  for (std::size_t i = 0; i < places.size(); ++i) {
    callers[places[i]].identity = identities[i];
  }
  co_return callers;
}

Result<void> IdentityService::send(control::Channel& channel, control::Message message,
                                   std::span<const Caller> callers) {
  std::vector<control::IdentityAnswer> answers(callers.size());
  for (std::size_t i = 0; i < callers.size(); ++i) {
    if (callers[i].identity) {
      answers[i].identity = pushed_.push(channel, *callers[i].identity);
      if (auto early = early_.extract(*callers[i].identity)) {
        send_command_line(channel, answers[i].identity, early.mapped());
      }
    }
    answers[i].dialled_at = callers[i].dialled_at;
    if (callers[i].dialled) {
      answers[i].set_dialled(*callers[i].dialled);
    }
  }
  control::set_records(message, std::span<const control::IdentityAnswer>(answers));
  return channel.send(message);
}

void IdentityService::hear_command_line(const std::string& identity, std::string_view line) {
  control::Channel* const channel = find_channel_();
  const std::uint64_t number = pushed_.number_of(identity);
  if (channel != nullptr && number != 0) {
    send_command_line(*channel, number, line);
  } else if (early_.size() < kMostEarly) {
    early_[identity] = line;
  } else {
    early_.clear();  // no responder waits for these callers any more
  }
}

void IdentityService::send_command_line(control::Channel& channel, std::uint64_t number,
                                        std::string_view line) {
  control::Message message;
  message.kind = control::Kind::command_line;
  message.number = number;
  message.set_text(line);
  (void)channel.send(message);  // a responder that does not take it is replaced
}

}  // namespace msi2imds::supervisor
