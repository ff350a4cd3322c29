// SPDX-License-Identifier: MIT
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "base/holder.hpp"
#include "responder/ranks.hpp"

namespace msi2imds::responder {

class Shares;
struct Owner;
struct Share;

template <typename Tag>
using SharerHook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
using PlaceHook = SharerHook<class PlaceTag>;
using InputHook = SharerHook<class InputTag>;

// Something that takes a part of what is shared, and gives it back when it has to.
class Sharer : public PlaceHook, public InputHook {
 public:
  explicit Sharer(const Holder& holder) : holder_(holder) {}
  Sharer(const Sharer&) = delete;
  Sharer& operator=(const Sharer&) = delete;

  [[nodiscard]] const Holder& holder() const {
    return holder_;
  }

 protected:
  ~Sharer() = default;

 private:
  friend class Shares;
  // Whether its client has sent something that nobody has read yet: then it waits no longer.
  [[nodiscard]] virtual bool has_unread_input() = 0;
  // Its place and its bytes are somebody else's from here on.
  virtual void give_way() = 0;

  Holder holder_;
  Share* share_ = nullptr;  // in which it counts
  bool is_idle_ = false;
  std::size_t input_bytes_ = 0;
  std::shared_ptr<Sharer> self_;  // while it waits for a place
};

template <typename Hook>
using SharerList = boost::intrusive::list<Sharer, boost::intrusive::base_hook<Hook>,
                                          boost::intrusive::constant_time_size<false>>;

// What one uid has.
struct Share : Ranked {
  SharerList<PlaceHook>
      idle;  // who waits for its client; who does so for longest comes first, as in all lists
  SharerList<PlaceHook> busy;
  SharerList<PlaceHook> queue;  // who waits for a place
  SharerList<InputHook> with_input;
  Owner* owner = nullptr;
};

// What all uids of an owner have together.
struct Owner : Ranked {
  std::map<std::uint32_t, Share> uids;
  Ranks<Share> ranks;
};

// Who has how much of the connections, and of the memory for requests that are not whole yet. What runs short
// is taken from whoever has most of it. Owners are compared first, and the uids of one owner with each other.
// Whatever is done here takes as long as a search among the owners, however many connections there are.
class Shares {
 public:
  Shares() = default;
  Shares(const Shares&) = delete;
  Shares& operator=(const Shares&) = delete;
  ~Shares();

  // Takes a place; it waits for its client.
  void add(Sharer& sharer);
  // Gives everything back, unless that has been taken already.
  void remove(Sharer& sharer);

  // Whether a sharer waits for its client, or the client for us.
  void set_idle(Sharer& sharer);
  void set_busy(Sharer& sharer);

  // Notes how much memory the part of its request that has come takes. Where all such parts take more than
  // the limit, whoever has most loses the connection that has waited with one for longest, perhaps this one.
  void set_input_bytes(Sharer& sharer, std::size_t bytes);

  // Whether somebody has more places.
  [[nodiscard]] bool has_less_than_others(const Holder& holder);

  // Frees a place for that holder: of those who have more places and an idle one, whoever has most loses the
  // one that has waited for its client for longest. False: there is none.
  bool end_idle_for(const Holder& holder);
  // The same with his own.
  bool end_own_idle(const Holder& holder);
  // The same with what is not idle: whoever has most loses the one that is busy for longest. Only where he
  // still has no less than the other afterwards, so that two cannot go on taking from each other.
  bool end_busy_for(const Holder& holder);

  // Lets a sharer wait for a place.
  void enqueue(std::shared_ptr<Sharer> sharer);
  // Takes out who is to have the next place, which goes to whoever has fewest, or nothing.
  std::shared_ptr<Sharer> take_next_in_queue();
  // Takes out the last of whoever has most of the queue, or nothing.
  std::shared_ptr<Sharer> take_last_in_queue();

  [[nodiscard]] std::size_t places() const {
    return all_.places;
  }
  [[nodiscard]] std::size_t queued() const {
    return all_.queued;
  }
  [[nodiscard]] std::size_t input_bytes() const {
    return all_.input_bytes;
  }
  // How many had to give way.
  [[nodiscard]] std::size_t gave_way() const {
    return gave_way_;
  }

  static constexpr std::size_t kMostInputBytes = std::size_t{16} * 1024 * 1024;

 private:
  Share& share_of(const Holder& holder);
  Share* find(const Holder& holder);
  template <typename Order>
  Share* biggest_for(const Holder& holder, std::size_t more);
  template <typename Change>
  void change(Share& share, const Holder& holder, const Change& change);
  void set_idle(Sharer& sharer, bool is_idle);
  bool end_idle_of(Share* share);
  void end(Sharer& sharer);
  std::shared_ptr<Sharer> dequeue(Sharer& sharer);

  using Owners = std::map<std::uint32_t, Owner>;
  using OfUids = std::map<std::uint32_t, Share>;

  Owners owners_;
  Owners::node_type spare_owner_;  // without anything, as the next one is to be
  OfUids::node_type spare_share_;
  Ranks<Owner> ranks_;
  Amounts all_;
  std::size_t gave_way_ = 0;
};

}  // namespace msi2imds::responder
