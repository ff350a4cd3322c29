// SPDX-License-Identifier: MIT
#include "redirect/cgroup_connect.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <utility>

#include "loader/cgroup.hpp"
#include "loader/cgroup_watch.hpp"
#include "netlink/tcp_sockets.hpp"
#include "redirect/connect_leftovers.hpp"
#include "redirect/guard.hpp"
#include "redirect/open_connections.hpp"

namespace msi2imds::redirect {
namespace {

// For a SYN that was lost to be sent again, a second later and two seconds after that.
constexpr std::chrono::seconds kLongestDialling{4};

// From best to worst.
constexpr std::array kVariants = {
    ConnectVariant{ListenerGuard::storage, true}, ConnectVariant{ListenerGuard::storage, false},
    ConnectVariant{ListenerGuard::mark, false}, ConnectVariant{ListenerGuard::none, false}};

constexpr const char* kAllPrograms = "/";

std::vector<std::string> cgroups_of(const Plan& plan) {
  return plan.cgroups.empty() ? std::vector<std::string>{kAllPrograms} : plan.cgroups;
}

using Attachments = std::vector<loader::CgroupAttachment>;

// All programs, or none.
Result<Attachments> attach_to_cgroup(const ConnectPrograms& programs, const std::string& cgroup,
                                     loader::AttachMethod method, const std::string& pins = {}) {
  const Result<UniqueFd> directory = loader::open_cgroup(cgroup);
  if (directory) {
    return loader::attach_all(programs.programs(), directory->get(), method, pins);
  }
  return cgroup == kAllPrograms ? directory.error() : directory.error().within("redirect.cgroups");
}

class CgroupConnectRedirection final : public Redirection {
 public:
  CgroupConnectRedirection(ConnectPrograms programs, loader::AttachMethod method, const Plan& plan)
      : programs_(std::move(programs)),
        method_(method),
        listen_port_(plan.listen_port),
        pins_(connect_pins_of(plan)) {
    for (const std::string& cgroup : cgroups_of(plan)) {
      places_.push_back({.cgroup = cgroup, .attachments = {}});
    }
    if (Result<loader::CgroupWatch> watch = loader::CgroupWatch::open(); watch && !plan.cgroups.empty()) {
      watch_.emplace(std::move(*watch));
    }
  }

  CgroupConnectRedirection(const CgroupConnectRedirection&) = delete;
  CgroupConnectRedirection& operator=(const CgroupConnectRedirection&) = delete;
  ~CgroupConnectRedirection() override {
    const bool was_in_force = !places_.empty();
    places_.clear();
    dismiss_guard();
    if (was_in_force && !pins_.empty()) {
      forget_pinned_memory(pins_);
    }
  }

  // A missing cgroup is no error: that of a service appears when the service starts.
  asio::awaitable<Result<void>> attach() {
    follow_cgroups();
    for (Place& place : places_) {
      Result<void> attached = attach_to(place);
      if (!attached && attached.error().code() != boost::system::errc::no_such_file_or_directory) {
        co_return attached;
      }
    }
    keep_pinned();
    co_return co_await renew_guard();
  }

  // Where its links are to be pinned.
  [[nodiscard]] std::vector<std::string> pinned() const {
    std::vector<std::string> paths;
    for (const Place& place : places_) {
      for (const loader::CgroupAttachment& attachment : place.attachments) {
        if (attachment.link() != nullptr) {
          paths.push_back(attachment.link()->pin());
        }
      }
    }
    return paths;
  }

  [[nodiscard]] asio::awaitable<Result<void>> check() override {
    follow_cgroups();
    for (const Place& place : places_) {
      Result<void> checked = loader::check_attachments(place.attachments, place.cgroup);
      if (!checked) {
        co_return checked.error().within("in cgroup '" + place.cgroup + "'");
      }
    }
    keep_pinned();
    co_return Result<void>();
  }

  // A service that was restarted has another cgroup of the same name.
  [[nodiscard]] asio::awaitable<Result<void>> repair() override {
    follow_cgroups();
    std::optional<Error> failure;
    for (Place& place : places_) {
      const Result<void> there = put_back(place);
      if (!there) {
        failure = failure.value_or(there.error());  // the others are put back all the same
      }
    }
    const Result<void> guarded = co_await renew_guard();
    co_return failure ? Result<void>(*failure) : guarded;
  }

  // Its programs may call before anybody asks the next time.
  [[nodiscard]] int alarm() const override {
    return watch_ ? watch_->fd() : -1;
  }

  [[nodiscard]] bool heed_alarm() override {
    std::array<char, 4096> events{};
    while (watch_ && ::read(watch_->fd(), events.data(), events.size()) > 0) {
    }
    return true;
  }

  // Leaves all links, or none where one of them cannot stay.
  [[nodiscard]] bool hand_over() override {
    if (!keep_pinned()) {
      return false;
    }
    for (Place& place : places_) {
      for (loader::CgroupAttachment& attachment : place.attachments) {
        attachment.release();
      }
    }
    places_.clear();
    dismiss_guard();
    return true;
  }

  [[nodiscard]] std::vector<std::string> remarks() const override {
    std::vector<std::string> remarks;
    if (!programs_.variant().shows_dialled) {
      remarks.push_back("clients that ask for their peer's address see port " + std::to_string(listen_port_));
    }
    if (programs_.variant().guard == ListenerGuard::mark) {
      remarks.emplace_back(
          "our listeners are known by their mark, which a container with CAP_NET_ADMIN could copy");
    }
    if (programs_.variant().guard == ListenerGuard::none) {
      remarks.emplace_back(
          "this kernel cannot tell who listens: connections within containers are redirected too");
    }
    if (!why_not_pinned_.empty()) {
      remarks.push_back(falls_through_at_restarts(why_not_pinned_));
    }
    return remarks;
  }

  [[nodiscard]] std::optional<SocketAddress> dialled_by(std::uint64_t cookie) const override {
    return programs_.dialled_by(cookie);
  }

 private:
  struct Place {
    std::string cgroup;
    Attachments attachments;  // none: the cgroup is not there
  };

  // To be called before the cgroups are looked at, so that no change between the two is missed.
  void follow_cgroups() {
    for (const Place& place : places_) {
      if (watch_) {
        watch_->follow(place.cgroup);
      }
    }
  }

  Result<void> put_back(Place& place) {
    Result<void> checked = loader::check_attachments(place.attachments, place.cgroup);
    if (checked || checked.error().code() == boost::system::errc::device_or_resource_busy) {
      return checked;  // two processes that take it from each other would serve nobody
    }
    if (checked.error().code() != boost::system::errc::no_such_file_or_directory) {
      place.attachments.clear();  // programs of a cgroup that is gone can wait, since that takes its time
    }
    Result<void> attached = attach_to(place);
    if (!attached) {
      place.attachments.clear();
    }
    return attached;
  }

  Result<void> attach_to(Place& place) {
    Result<Attachments> attachments = attach_to_cgroup(programs_, place.cgroup, method_, pins_);
    if (!attachments) {
      return attachments.error();
    }
    place.attachments = std::move(*attachments);
    return {};
  }

  // Whether all of it can stay without this process. Pins what is not pinned (any more).
  bool keep_pinned() {
    why_not_pinned_.clear();
    bool can_stay = true;
    bool has_links = false;
    for (Place& place : places_) {
      for (loader::CgroupAttachment& attachment : place.attachments) {
        can_stay = attachment.keep_lasting() && can_stay;
        has_links = has_links || attachment.link() != nullptr;
        if (attachment.link() != nullptr && why_not_pinned_.empty()) {
          why_not_pinned_ = attachment.link()->why_not_pinned();
        }
      }
    }
    if (can_stay && has_links) {
      (void)programs_.keep_memory_pinned(pinned_memory(pins_));  // without it, no connection is lost
    }
    return can_stay;
  }

  // Programs that are attached without a link would stay attached if this process were killed.
  asio::awaitable<Result<void>> renew_guard() {
    std::vector<loader::CgroupAttachment::Raw> attached;
    std::vector<int> descriptors;
    for (const Place& place : places_) {
      for (const loader::CgroupAttachment& attachment : place.attachments) {
        if (attachment.outlives_process()) {
          attached.push_back(attachment.raw());
          descriptors.push_back(attached.back().program);
          descriptors.push_back(attached.back().cgroup);
        }
      }
    }
    if (attached.empty()) {
      dismiss_guard();
      co_return Result<void>();
    }
    Guard::Undo undo = [attached] {
      std::for_each(attached.begin(), attached.end(), loader::CgroupAttachment::detach);
      return true;
    };
    Result<Guard> guard = co_await Guard::start(std::move(undo), std::move(descriptors));
    if (!guard) {
      co_return guard.error();
    }
    dismiss_guard();
    guard_.emplace(std::move(*guard));
    co_return Result<void>();
  }

  // Nothing is attached any more, or another guard looks after it.
  void dismiss_guard() {
    if (guard_) {
      guard_->dismiss();
      guard_.reset();
    }
  }

  ConnectPrograms programs_;
  loader::AttachMethod method_;
  std::uint16_t listen_port_;
  std::string pins_;  // empty: not to be pinned
  std::string why_not_pinned_;
  std::optional<loader::CgroupWatch> watch_;  // of chosen cgroups, which come and go
  std::vector<Place> places_;                 // detached before the programs go
  std::optional<Guard> guard_;
};

}  // namespace

Result<ConnectPrograms> CgroupConnectRedirector::load_best(const Plan& plan) const {
  const std::string pins = connect_pins_of(plan);
  const std::string memory = pins.empty() ? std::string() : pinned_memory(pins);
  if (forced_.variant) {
    return ConnectPrograms::load(*forced_.variant, memory);
  }
  std::optional<Error> first_failure;
  for (const ConnectVariant& variant : kVariants) {
    if (variant.guard == ListenerGuard::none && !plan.is_chosen) {
      break;  // it would redirect containers too, which only the configuration may ask for
    }
    Result<ConnectPrograms> programs = ConnectPrograms::load(variant, memory);
    if (programs) {
      return programs;
    }
    first_failure = first_failure.value_or(programs.error());
  }
  return *first_failure;
}

asio::awaitable<Result<void>> CgroupConnectRedirector::probe(const Plan& plan) const {
  const Result<ConnectPrograms> programs = load_best(plan);
  if (!programs) {
    co_return programs.error();
  }
  for (const std::string& cgroup : cgroups_of(plan)) {
    // Programs that are not configured redirect nothing while they are attached.
    const Result<Attachments> attached = attach_to_cgroup(*programs, cgroup, forced_.method);
    if (!attached &&
        (plan.cgroups.empty() || attached.error().code() != boost::system::errc::no_such_file_or_directory)) {
      co_return attached.error();
    }
  }
  co_return Result<void>();
}

std::vector<SocketAddress> CgroupConnectRedirector::listen_addresses(const Plan& plan) const {
  return {SocketAddress::ipv4_loopback(plan.listen_port), SocketAddress::ipv6_loopback(plan.listen_port)};
}

asio::awaitable<Result<std::unique_ptr<Redirection>>> CgroupConnectRedirector::install(
    const Plan& plan, const std::vector<Listener>& listeners) const {
  Result<ConnectPrograms> programs = load_best(plan);
  if (!programs) {
    co_return programs.error();
  }
  const Result<void> configured = programs->configure(plan, listeners);
  if (!configured) {
    co_return configured.error();
  }
  std::vector<std::uint32_t> ids;
  for (const loader::ProgramOfHook& program : programs->programs()) {
    ids.push_back(loader::id_of(bpf_program__fd(program.program)));
  }
  auto redirection = std::make_unique<CgroupConnectRedirection>(std::move(*programs), forced_.method, plan);
  // A SYN that is sent again passes no program of ours: it is for the way in which its client was redirected.
  std::function<std::size_t()> count = [&plan] {
    const auto clients = netlink::connections_to(plan.legacy_ports, netlink::Which::unanswered);
    return clients ? clients->size() : 0;
  };
  co_await wait_for_none(std::move(count), kLongestDialling);
  const Result<void> attached = co_await redirection->attach();
  if (!attached) {
    co_return attached.error();
  }
  (void)detach_connect_leftovers(ids);
  (void)unpin_connect_leftovers(redirection->pinned(), plan);  // what is left redirects to nobody
  co_return redirection;
}

asio::awaitable<Result<std::vector<std::string>>> CgroupConnectRedirector::remove_leftovers(
    const Plan& plan, Removal /*removal*/) const {
  std::vector<std::string> removed = detach_connect_leftovers({});
  const Result<std::vector<std::string>> unpinned = unpin_connect_leftovers({}, plan);
  if (!unpinned) {
    co_return unpinned.error();
  }
  removed.insert(removed.end(), unpinned->begin(), unpinned->end());
  co_return removed;
}

}  // namespace msi2imds::redirect
