// SPDX-License-Identifier: MIT
// request_cost new|asked|kept COUNT [WHAT MANY]: lets a responder answer COUNT requests for a token that it
// has, over a new connection each or all over one, after some that warm it up. It knows the caller by what
// the kernel notes of his connections; with `asked` nothing is noted, as before Linux 5.15. It holds so many
// resources' or identities' tokens, idle connections, or callers that have asked, if that is WHAT. Client,
// supervisor and responder take turns on one thread, so that the responder does the same each time: callgrind
// counts what it does within answer_measured() (tests/bench/instructions), and this program prints how often
// that allocates.
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "abi.h"
#include "base/clock.hpp"
#include "base/pipe.hpp"
#include "base/spawn.hpp"
#include "broker/token_broker.hpp"
#include "caller/clues.hpp"
#include "caller/identity.hpp"
#include "control/channel.hpp"
#include "control/identities.hpp"
#include "responder/responder.hpp"

namespace msi2imds::bench {
namespace {

bool is_counting = false;
std::uint64_t allocations = 0;
std::uint32_t* first_sequence = nullptr;  // of the client's SYN, where the kernel would have noted it
std::int64_t dialled_at = 0;              // the last connection

void* count(void* memory) {
  allocations += is_counting ? 1 : 0;
  return memory;
}

}  // namespace
}  // namespace msi2imds::bench

// What the linker calls instead of these functions (--wrap), and what it calls the functions then.
// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming)
extern "C" {
void* __real_malloc(std::size_t bytes);
void* __real_calloc(std::size_t count, std::size_t bytes);
void* __real_realloc(void* memory, std::size_t bytes);
void* __real_aligned_alloc(std::size_t alignment, std::size_t bytes);

int __real_getsockopt(int socket, int level, int name, void* value, socklen_t* size);

// Plays the kernel, which notes it before anybody accepts.
int __wrap_getsockopt(int socket, int level, int name, void* value, socklen_t* size) {
  const int result = __real_getsockopt(socket, level, name, value, size);
  if (level == IPPROTO_TCP && name == TCP_SAVED_SYN && result == 0 &&
      *size >= sizeof(iphdr) + sizeof(tcphdr)) {
    tcphdr tcp{};
    std::memcpy(&tcp, static_cast<const char*>(value) + sizeof(iphdr), sizeof tcp);
    *msi2imds::bench::first_sequence = ntohl(tcp.th_seq);
  }
  return result;
}

void* __wrap_malloc(std::size_t bytes) {
  return msi2imds::bench::count(__real_malloc(bytes));
}
void* __wrap_calloc(std::size_t count, std::size_t bytes) {
  return msi2imds::bench::count(__real_calloc(count, bytes));
}
void* __wrap_realloc(void* memory, std::size_t bytes) {
  return msi2imds::bench::count(__real_realloc(memory, bytes));
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return msi2imds::bench::count(__real_aligned_alloc(alignment, bytes));
}
}
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)

namespace msi2imds::bench {
namespace {

constexpr int kWarmUp = 100;
constexpr int kSoonForgotten = 20;  // connections, which take less than a second
constexpr int kBacklog = 16;
constexpr std::size_t kTokenBytes = 1700;
constexpr std::size_t kOtherTokenBytes = 600;  // so that 10,000 have room
constexpr std::uint64_t kCaller = 1;           // the number of his identity
constexpr std::string_view kResource = "https%3A%2F%2Fmanagement.azure.com%2F";
constexpr std::string_view kHead =
    " HTTP/1.1\r\n"
    "Host: localhost:50342\r\n"
    "User-Agent: python-requests/2.28.1\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Accept: */*\r\n"
    "Metadata: true\r\n";

[[noreturn]] void fail(const std::string& what) {
  (void)std::fprintf(stderr, "request_cost: cannot %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

void expect(bool is_good, const char* what) {
  if (!is_good) {
    fail(what);
  }
}

// A token for every request, for a day.
class Issuer final : public token::Upstream {
 public:
  asio::awaitable<token::FetchResult> fetch(token::TokenRequest request,
                                            std::shared_ptr<token::Quota> /*quota*/) override {
    token::Token token;
    const bool is_measured = request.resource == "https://management.azure.com/" &&
                             request.identity.kind == token::SelectorKind::none;
    token.access_token.assign(is_measured ? kTokenBytes : kOtherTokenBytes, 'x');
    token.is_plain = true;
    token.token_type = "Bearer";
    token.resource = request.resource;
    token.client_id = "5e29463d-71da-4fe0-8e69-999b57db23b0";
    token.not_before = unix_seconds(std::chrono::system_clock::now());
    token.expires_on = token.not_before + 86400;
    const token::FetchResult result(token::TokenResponse(std::make_shared<const token::Token>(token)));
    co_return result;
  }
};

class Tokens final : public responder::TokenService {
 public:
  Tokens(asio::io_context& io, std::uint16_t port) : clock_(io), broker_(io, issuer_, clock_, {}) {
    settings_.legacy_ports = {port};
    settings_.audit.max_rate = 1'000'000;  // each request has its line
  }
  token::TokenSource& source() override {
    return broker_;
  }
  Result<responder::Settings> configure(const std::string& /*toml*/) override {
    return settings_;
  }
  void keep_tokens_in(UniqueFd /*memory*/) override {}
  void prefetch(std::vector<token::TokenRequest> /*requests*/) override {}
  void end_waits() override {}
  std::size_t flush(std::string_view /*resource*/, std::string_view /*identity*/) override {
    return 0;
  }
  void describe(admin::Status& /*status*/) const override {}
  void measure(metrics::Snapshot& /*now*/) const override {}

 private:
  SystemClock clock_;
  Issuer issuer_;
  broker::TokenBroker broker_;
  responder::Settings settings_;
};

pid_t process_of(std::uint64_t caller) {
  return 4711 + static_cast<pid_t>(caller);
}

caller::Identity make_identity(std::uint64_t number) {
  caller::Identity caller;
  caller.uid = 1000;
  caller.user = "backup";
  caller.pid = process_of(number);
  caller.gids = {1000};
  caller.comm = "python3";
  caller.program = "/usr/bin/python3.11";
  caller.program_is_verified = true;
  caller.command_line = "/usr/bin/python3 /opt/backup/upload.py --container nightly --keep 30";
  caller.cgroup = "/system.slice/backup.service";
  caller.unit = number == kCaller ? "backup.service" : "backup-" + std::to_string(number) + ".service";
  return caller;
}

// What the kernel notes of connections; all are the caller's.
class Notes {
 public:
  Notes() : array_(::memfd_create("notes", MFD_CLOEXEC)) {
    const std::size_t size = SEEN_CONNECTIONS * sizeof(seen_connection);
    expect(::ftruncate(array_.get(), static_cast<off_t>(size)) == 0, "make the notes");
    void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, array_.get(), 0);
    expect(mapped != MAP_FAILED, "map the notes");
    slots_ = static_cast<seen_connection*>(mapped);
  }
  // Whose connections all are from here on.
  void set_process(pid_t pid) {
    pid_ = static_cast<std::uint32_t>(pid);
  }
  [[nodiscard]] int array() const {
    return array_.get();
  }
  void add(int client, const SocketAddress& server) {
    const SocketAddress own = SocketAddress::local_of(client).value();
    seen_connection& seen = slots_[slot_of_client_port(own.port())];
    const std::uint64_t version = seen.version;
    seen = {};
    seen.version = version + 2;
    timespec now{};
    (void)::clock_gettime(CLOCK_BOOTTIME, &now);
    dialled_at = now.tv_sec * 1'000'000'000 + now.tv_nsec;
    seen.who.since_boot = static_cast<std::uint64_t>(dialled_at);
    seen.client[0] = htonl(INADDR_LOOPBACK);
    seen.server[0] = htonl(INADDR_LOOPBACK);
    seen.client_port = htons(own.port());
    seen.server_port = htons(server.port());
    socklen_t size = sizeof seen.who.cookie;
    expect(::getsockopt(client, SOL_SOCKET, SO_COOKIE, &seen.who.cookie, &size) == 0, "ask for a cookie");
    seen.who.pid = pid_;
    seen.who.started = 1;
    seen.who.dialled.address[0] = seen.server[0];
    seen.who.dialled.port = seen.server_port;
    first_sequence = &seen.first_sequence;
  }

 private:
  UniqueFd array_;
  seen_connection* slots_ = nullptr;
  std::uint32_t pid_ = 0;
};

// Knows the caller, and answers each question about him.
class Supervisor {
 public:
  explicit Supervisor(UniqueFd socket) : channel_(io_, std::move(socket)) {
    spawn(io_, "answer the responder", answer());
  }

  void send(control::Kind kind, int descriptor = -1) {
    control::Message message;
    message.kind = kind;
    expect(channel_.send(message, descriptor).has_value(), "tell the responder");
  }
  // Whoever asks from now on is this caller.
  void introduce(std::uint64_t number) {
    caller_ = number;
    control::Message message;
    message.kind = control::Kind::identity;
    message.number = number;
    message.body = caller::serialize(make_identity(number));
    expect(channel_.send(message).has_value(), "tell the responder of the caller");
  }
  void work() {
    io_.restart();
    (void)io_.poll();
  }

 private:
  asio::awaitable<void> answer() {
    while (true) {
      const Result<control::Received> received = co_await channel_.receive();
      if (!received) {
        co_return;
      }
      if (received->message.kind == control::Kind::ask_identities) {
        const auto clues = control::get_records<caller::Clues>(received->message);
        std::vector<control::IdentityAnswer> answers(clues.value().size());
        for (control::IdentityAnswer& one : answers) {
          one.identity = caller_;
          one.dialled_at = dialled_at;
        }
        control::Message message;
        message.kind = control::Kind::identities;
        message.number = received->message.number;
        control::set_records(message, std::span<const control::IdentityAnswer>(answers));
        expect(channel_.send(message).has_value(), "answer the responder");
      }
    }
  }

  asio::io_context io_{1};
  control::Channel channel_;
  std::uint64_t caller_ = kCaller;
};

class Client {
 public:
  explicit Client(const SocketAddress& address)
      : socket_(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    expect(::connect(socket_.get(), address.get(), address.size()) == 0, "connect to the responder");
  }
  [[nodiscard]] int socket() const {
    return socket_.get();
  }
  void send(std::string_view request) {
    answer_.clear();
    expect(::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(request.size()),
           "send a request");
  }
  // Whether all of the answer is there.
  bool receive() {
    std::array<char, 8192> part{};
    const ssize_t size = ::recv(socket_.get(), part.data(), part.size(), MSG_DONTWAIT);
    answer_.append(part.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    if (!answer_.ends_with("}")) {
      return false;
    }
    expect(answer_.starts_with("HTTP/1.1 200 "), "get a token");
    return true;
  }

 private:
  UniqueFd socket_;
  std::string answer_;
};

using Step = void (*)(asio::io_context& io);

// What is not counted.
[[gnu::noinline]] void answer_uncounted(asio::io_context& io) {
  io.restart();
  (void)io.poll();
}

}  // namespace

// The responder does what there is to do. Not in the anonymous namespace: callgrind knows it by its name.
[[gnu::noinline]] void answer_measured(asio::io_context& io) {
  is_counting = true;
  io.restart();
  (void)io.poll();
  is_counting = false;
}

namespace {

class Bench {
 public:
  explicit Bench(bool notes_connections)
      : Bench(make_listener(), control::Channel::make_pair().value(), notes_connections) {}

  void over_new_connections(int count, Step step) {
    static const std::string request = make_request(kResource, "close");
    for (int i = 0; i < count; ++i) {
      if (i % kSoonForgotten == 0) {
        introduce_anew(request);
      }
      ask_over_new_connection(request, step);
    }
  }

  void over_one_connection(int count, Step step) {
    static const std::string request = make_request(kResource, "keep-alive");
    if (!kept_) {
      kept_ = std::make_unique<Client>(address_);
      notes_.add(kept_->socket(), address_);
    }
    for (int i = 0; i < count; ++i) {
      ask(*kept_, request, step);
    }
  }

  // False: nobody knows what that would be.
  bool hold(std::string_view what, int many) {
    for (int i = 0; i < many; ++i) {
      const std::string number = std::to_string(i);
      if (what == "resources") {
        ask_over_new_connection(make_request("https%3A%2F%2F" + number + ".example", "close"),
                                answer_uncounted);
      } else if (what == "identities") {
        ask_over_new_connection(make_request(std::string(kResource) + "&client_id=" + number, "close"),
                                answer_uncounted);
      } else if (what == "connections") {
        idle_.push_back(std::make_unique<Client>(address_));
        notes_.add(idle_.back()->socket(), address_);
        ask(*idle_.back(), make_request(kResource, "keep-alive"), answer_uncounted);
      } else if (what == "callers") {
        introduce(kCaller + 1 + static_cast<std::uint64_t>(i));
        over_new_connections(1, answer_uncounted);
      } else {
        return false;
      }
    }
    introduce(kCaller);
    return true;
  }

 private:
  Bench(UniqueFd listener, std::pair<UniqueFd, UniqueFd> channel, bool notes_connections)
      : address_(SocketAddress::local_of(listener.get()).value()),
        tokens_(io_, address_.port()),
        link_(io_, std::move(channel.first)),
        supervisor_(std::move(channel.second)),
        responder_(io_, link_, tokens_) {
    spawn(io_, "serve", serve());
    const UniqueFd audit(::memfd_create("audit", MFD_CLOEXEC));
    const UniqueFd sock_diag(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, kSockDiag));
    expect(audit && sock_diag, "prepare for callers");
    const UniqueFd configuration = pipe_with("").value();
    supervisor_.send(control::Kind::configure, configuration.get());
    supervisor_.send(control::Kind::sock_diag, sock_diag.get());
    supervisor_.send(control::Kind::audit_file, audit.get());
    if (notes_connections) {
      supervisor_.send(control::Kind::noted_connections, notes_.array());
    }
    introduce(kCaller);
    supervisor_.send(control::Kind::add_listener, listener.get());
    supervisor_.send(control::Kind::serve);
    supervisor_.work();
    answer_uncounted(io_);
  }

  // A caller is known for a second, however many requests that is under callgrind: it begins here.
  void introduce_anew(std::string_view request) {
    const UniqueFd configuration = pipe_with("").value();
    supervisor_.send(control::Kind::configure, configuration.get());
    answer_uncounted(io_);
    ask_over_new_connection(request, answer_uncounted);
  }

  // Whoever asks from now on is this caller.
  void introduce(std::uint64_t number) {
    supervisor_.introduce(number);
    notes_.set_process(process_of(number));
  }

  static std::string make_request(std::string_view resource, std::string_view connection) {
    return "GET /oauth2/token?resource=" + std::string(resource) + std::string(kHead) +
           "Connection: " + std::string(connection) + "\r\n\r\n";
  }

  static constexpr int kSockDiag = 4;  // NETLINK_SOCK_DIAG

  static UniqueFd make_listener() {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const SocketAddress any = SocketAddress::ipv4_loopback(0);
    const int on = 1;
    expect(::bind(socket.get(), any.get(), any.size()) == 0 && ::listen(socket.get(), kBacklog) == 0 &&
               ::setsockopt(socket.get(), IPPROTO_TCP, TCP_SAVE_SYN, &on, sizeof on) == 0,
           "listen");
    return socket;
  }

  asio::awaitable<void> serve() {
    const Result<void> ended = co_await responder_.run();
    expect(ended.has_value(), "keep the responder running");
  }

  void ask_over_new_connection(std::string_view request, Step step) {
    {
      Client client(address_);
      notes_.add(client.socket(), address_);
      ask(client, request, step);
    }
    step(io_);
  }

  void ask(Client& client, std::string_view request, Step step) {
    client.send(request);
    do {
      step(io_);
      supervisor_.work();
    } while (!client.receive());
    step(io_);  // who the caller is has become known, and is recorded
  }

  asio::io_context io_{kOneThread};
  Notes notes_;
  SocketAddress address_;
  Tokens tokens_;
  responder::SupervisorLink link_;
  Supervisor supervisor_;
  responder::Responder responder_;
  std::unique_ptr<Client> kept_;
  std::vector<std::unique_ptr<Client>> idle_;
};

void allow_many_descriptors() {
  ::rlimit limit{};
  expect(::getrlimit(RLIMIT_NOFILE, &limit) == 0, "ask for the limit of descriptors");
  limit.rlim_cur = limit.rlim_max;
  expect(::setrlimit(RLIMIT_NOFILE, &limit) == 0, "raise the limit of descriptors");
}

int run(std::span<char*> arguments) {
  const bool is_complete = arguments.size() == 3 || arguments.size() == 5;
  const std::string_view kind = is_complete ? arguments[1] : "";
  const int count = is_complete ? std::atoi(arguments[2]) : 0;
  const std::string_view what = arguments.size() == 5 ? arguments[3] : "resources";
  const int many = arguments.size() == 5 ? std::atoi(arguments[4]) : 0;
  allow_many_descriptors();
  auto* const bench = new Bench(kind != "asked");  // the process ends with it
  if ((kind != "new" && kind != "asked" && kind != "kept") || count <= 0 || many < 0 ||
      !bench->hold(what, many)) {
    (void)std::fprintf(
        stderr, "usage: request_cost new|asked|kept COUNT [resources|identities|connections|callers MANY]\n");
    return 2;
  }
  const auto ask = kind != "kept" ? &Bench::over_new_connections : &Bench::over_one_connection;
  (bench->*ask)(kWarmUp, answer_uncounted);
  (bench->*ask)(count, answer_measured);
  (void)std::printf("%llu\n", static_cast<unsigned long long>(allocations));
  (void)std::fflush(nullptr);
  ::_exit(0);
}

}  // namespace
}  // namespace msi2imds::bench

int main(int argc, char** argv) {
  return msi2imds::bench::run({argv, static_cast<std::size_t>(argc)});
}
