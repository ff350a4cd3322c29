// SPDX-License-Identifier: MIT
// Another program's sk_lookup program in the same namespace.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>

#include <array>

#include "base/run_to_end.hpp"
#include "kernel/redirection_fixture.hpp"

namespace msi2imds::kernel {
namespace {

// Lets every connection pass, and stays attached as long as its link is held.
class ForeignProgram {
 public:
  ForeignProgram() {
    const std::array<bpf_insn, 2> pass = {
        bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = SK_PASS},
        bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    bpf_prog_load_opts options{};
    options.sz = sizeof options;
    options.expected_attach_type = BPF_SK_LOOKUP;
    program_.reset(
        bpf_prog_load(BPF_PROG_TYPE_SK_LOOKUP, "foreign", "GPL", pass.data(), pass.size(), &options));
    const UniqueFd net_namespace(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    link_.reset(bpf_link_create(program_.get(), net_namespace.get(), BPF_SK_LOOKUP, nullptr));
  }

  [[nodiscard]] bool is_attached() const {
    bpf_link_info link{};
    std::uint32_t size = sizeof link;
    return bpf_obj_get_info_by_fd(link_.get(), &link, &size) == 0 && link.netns.netns_ino != 0;
  }

 private:
  UniqueFd program_;
  UniqueFd link_;
};

class ForeignProgramTest : public RedirectionFixture {
 protected:
  void SetUp() override {
    ASSERT_TRUE(foreign_.is_attached());
  }

  ForeignProgram foreign_;
};

INSTANTIATE_TEST_SUITE_P(Backends, ForeignProgramTest, testing::ValuesIn(all_backends()), backend_of);

TEST_P(ForeignProgramTest, HindersNobody) {
  install();
  EXPECT_TRUE(is_ours("127.0.0.1", kPort));
}

TEST_P(ForeignProgramTest, StaysAttachedWhenARedirectionGoes) {
  install();
  uninstall();
  EXPECT_TRUE(foreign_.is_attached());
  EXPECT_TRUE(comes_true([] { return attached_links().size() == 1; }));
}

TEST_P(ForeignProgramTest, StaysAttachedThroughAProbe) {
  ASSERT_TRUE(run_to_end(redirector_->probe(plan_)));
  EXPECT_TRUE(foreign_.is_attached());
}

}  // namespace
}  // namespace msi2imds::kernel
