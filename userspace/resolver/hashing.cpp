// SPDX-License-Identifier: MIT
#include "resolver/hashing.hpp"

#include <unistd.h>

#include <memory>
#include <span>

namespace msi2imds::resolver {
namespace {

constexpr std::size_t kPiece = std::size_t{256} * 1024;

}  // namespace

void Hashing::ask(const Question& question) {
  const std::int64_t user = question.clues.has_uid ? std::int64_t{question.clues.uid} : -1;
  jobs_.push(user, {.question = question, .program = std::nullopt, .hash = {}, .read = 0});
}

bool Hashing::advance() {
  auto next = jobs_.pop();
  if (!next) {
    return false;
  }
  auto& [user, job] = *next;
  progress_.step = Step::hash;
  progress_.question = job.question.number;
  progress_.pid = job.question.clues.pid;
  ++progress_.steps;
  if (advance(job)) {
    listener_.hear_hash(job.question.number);
  } else {
    jobs_.push(user, std::move(job));
  }
  return true;
}

bool Hashing::has_settled(const FileKey& file) const {
  const std::chrono::nanoseconds now = std::chrono::system_clock::now().time_since_epoch();
  return now - std::chrono::nanoseconds(file.changed) >= settling_;
}

// One that is known by now is not read again, nor one that changes while it is
// read.
bool Hashing::advance(Job& job) {
  if (!job.program) {
    job.program = open_program(proc_, job.question.clues.pid);
    return !job.program->problem.empty() || !has_settled(job.program->key) ||
           hashes_.find(job.program->key).has_value();
  }
  static const auto piece = std::make_unique_for_overwrite<std::uint8_t[]>(kPiece);
  const ssize_t size = ::read(job.program->file.get(), piece.get(), kPiece);
  if (size < 0) {
    return true;
  }
  job.read += static_cast<std::uint64_t>(size);
  if (size > 0 && job.read <= job.program->key.size) {
    job.hash.add(std::span(piece.get(), static_cast<std::size_t>(size)));
    return false;
  }
  if (job.read == job.program->key.size && key_of(job.program->file) == job.program->key) {
    hashes_.keep(job.program->key, job.hash.finish());
  }
  return true;
}

}  // namespace msi2imds::resolver
