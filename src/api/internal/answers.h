// Answering gRPC calls from the cell's callbacks: what several services share.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "api/convert.h"
#include "api/internal/unary_call.h"
#include "api/scope_checks.h"

namespace meridian::api::internal {

/// Answers of more results than this are written on the work executor: encoding them would hold up
/// the replica's apply stage.
inline constexpr std::size_t results_inline_max = 64;

inline replica::Replica::Answered answer_create(Backend& backend, UnaryCall<v1::CreateReply> call,
                                                std::vector<ledger::CommandKind> kinds) {
  return [&backend, call = std::move(call),
          kinds = std::move(kinds)](Result<replica::Answer> answer) mutable {
    if (!answer) return call.refuse(answer.error());
    const bool is_small = answer->results.size() <= results_inline_max;
    auto write = [call, kinds = std::move(kinds), answer = std::move(*answer)] {
      call.answer([&](v1::CreateReply& reply) { fill(answer, kinds, reply); });
    };
    if (is_small) return write();
    backend.work.post(std::move(write));
  };
}

inline replica::Replica::Answered answer_packed(UnaryCall<v1::PackedReply> call) {
  return [call = std::move(call)](Result<replica::Answer> answer) {
    if (!answer) return call.refuse(answer.error());
    call.answer([&](v1::PackedReply& reply) { fill(*answer, reply); });
  };
}

/// Ends `call` with `values`, each written by `write(value, reply)`.
template <typename Value, typename Reply, typename Write>
void write_list(Backend& backend, UnaryCall<Reply> call, std::vector<Value> values, Write write) {
  const bool is_small = values.size() <= results_inline_max;
  auto all = [call, values = std::move(values), write] {
    call.answer([&](Reply& reply) {
      for (const Value& value : values) write(value, reply);
    });
  };
  if (is_small) return all();
  backend.work.post(std::move(all));
}

/// A callback that ends `call` with a list, each element filled into `add(reply)`. Rows that say
/// which ledger they are of are for those who may read it.
template <typename Value, typename Reply, typename Add>
std::function<void(Result<std::vector<Value>>)> answer_list(Backend& backend, UnaryCall<Reply> call,
                                                            Add add) {
  return [&backend, call, add](Result<std::vector<Value>> values) {
    if (!values) return call.refuse(values.error());
    if constexpr (requires(const Value& value) { ledger_of(value); }) {
      if (Status may = check_rows(call.asker(), *values); !may) return call.refuse(may.error());
    }
    write_list(backend, call, std::move(*values),
               [add](const Value& value, Reply& reply) { fill(value, *add(reply)); });
  };
}

}  // namespace meridian::api::internal
