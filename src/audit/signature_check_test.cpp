#include "audit/internal/signature_check.h"

#include <gtest/gtest.h>

#include "mesh/identity_rig.h"
#include "mesh/jws.h"

namespace meridian::audit::internal {
namespace {

constexpr const char* domain = "eu.bank.example";
constexpr const char* by = "spiffe://eu.bank.example/service/payments";
constexpr std::int64_t at_s = 1'796'013'097;
constexpr u128 cell = 5;

class SignatureCheckTest : public testing::Test {
 protected:
  static ledger::Transfer transfer(u128 id, u128 amount = 5) {
    ledger::Transfer made{};
    made.id = id;
    made.debit_account_id = 1;
    made.credit_account_id = 2;
    made.amount = amount;
    return made;
  }
  std::string sign(std::vector<door::SignedCommand> commands, const std::string& who = by) const {
    const std::string text = *door::format_signed_text({cell, who, at_s, std::move(commands)});
    return mesh::attach_payload(*mesh::split_detached_jws(mesh::sign_detached_jws(
                                    {&payments_.leaf, 1}, payments_.key, text)),
                                text);
  }
  ledger::Header header(ledger::CommandKind kind, const std::string& jws) {
    ledger::Header made;
    made.kind = kind;
    made.cell = cell;
    made.record_index = ledger::RecordIndex{next_++};
    made.time = static_cast<std::uint64_t>(at_s) * 1'000'000'000;
    made.attester = ledger::Attester::client_signature;
    made.signature_digest = crypto::sha256(as_bytes(jws));
    return made;
  }
  static door::OpenedEvent opened(const std::string& jws) {
    door::OpenedEvent event;
    event.stream = door::signatures_stream;
    event.data = to_buffer(as_bytes(jws));
    return event;
  }
  void keep(const std::string& jws) {
    const ledger::Header made = header(ledger::CommandKind::append_event, jws);
    stored_[raw(made.record_index)] = jws;
    check_.add_record(made);
    check_.add_event(made, opened(jws));
  }
  void record(const ledger::Transfer& made, const std::string& jws) {
    ledger::Header of = header(ledger::CommandKind::create_transfer, jws);
    ledger::TransferBody body;
    body.transfer = made;
    body.requested_amount = made.amount;
    body.applied = true;
    of.body = body;
    check_.add_record(of);
  }

  const mesh::IdentityRig payments_ = mesh::make_identity(domain, "/service/payments");
  std::uint64_t next_ = 10;
  std::map<std::uint64_t, std::string> stored_;
  std::string said_;
  int read_again_ = 0;
  OnFinding on_finding_ = [this](const Finding& finding) { said_ += finding.what + "\n"; };
  Findings findings_{on_finding_};
  SignatureCheck check_{findings_, [this](std::uint64_t record) -> Result<door::OpenedEvent> {
                          ++read_again_;
                          return opened(stored_.at(record));
                        }};
};

TEST_F(SignatureCheckTest, what_was_asked_for_and_recorded_is_sound) {
  const std::string jws = sign({transfer(1), transfer(2)});
  keep(jws);
  record(transfer(1), jws);
  record(transfer(2), jws);
  EXPECT_EQ(said_, "");
  EXPECT_EQ(check_.signatures(), 1u);
  EXPECT_EQ(check_.records(), 2u);
  EXPECT_EQ(check_.unread(), 0u);
}

TEST_F(SignatureCheckTest, a_record_without_evidence_or_of_something_else_is_found) {
  const std::string jws = sign({transfer(1)});
  record(transfer(1), jws);
  EXPECT_NE(said_.find("what was signed is not there"), std::string::npos);
  said_.clear();
  keep(jws);
  record(transfer(1, 6), jws);
  EXPECT_NE(said_.find("another transfer"), std::string::npos);
  said_.clear();
  record(transfer(2), jws);
  EXPECT_NE(said_.find("no such command"), std::string::npos);
}

TEST_F(SignatureCheckTest, evidence_that_nobody_signed_is_found) {
  std::string wrong = sign({transfer(1)});
  wrong.back() = wrong.back() == 'A' ? 'Q' : 'A';
  keep(wrong);
  EXPECT_NE(said_.find("none"), std::string::npos);
  said_.clear();
  keep(sign({transfer(1)}, "spiffe://eu.bank.example/service/other"));
  EXPECT_NE(said_.find("somebody else"), std::string::npos);
  said_.clear();
  const std::string one = sign({transfer(1)});
  ledger::Header other = header(ledger::CommandKind::append_event, one);
  other.signature_digest[0] ^= 1;
  check_.add_event(other, opened(one));
  EXPECT_NE(said_.find("another signature"), std::string::npos);
}

TEST_F(SignatureCheckTest, evidence_of_long_ago_is_read_again) {
  const std::string first = sign({transfer(1)});
  keep(first);
  for (u128 id = 2; id < 400; ++id) keep(sign({transfer(id)}));
  EXPECT_EQ(read_again_, 0);
  record(transfer(1), first);
  EXPECT_EQ(said_, "");
  EXPECT_EQ(read_again_, 1);
  record(transfer(1, 6), first);
  EXPECT_NE(said_.find("another transfer"), std::string::npos);
}

TEST_F(SignatureCheckTest, what_could_not_be_opened_may_be_evidence) {
  check_.add_locked();
  record(transfer(1), sign({transfer(1)}));
  EXPECT_EQ(said_, "");
  EXPECT_EQ(check_.unread(), 1u);
}

class SignedEventCheck : public SignatureCheckTest {
 protected:
  static door::EventDraft draft(u128 id, std::string_view data = "{}") {
    door::EventDraft made;
    made.event_id = id;
    made.stream = "patient-17";
    made.type = "visited";
    made.data = to_buffer(as_bytes(data));
    made.signature_salt.assign(32, 1);
    made.signature_salt[0] = 2;
    return made;
  }
  ledger::Header event_header(u128 id, const std::string& jws) {
    ledger::Header made = header(ledger::CommandKind::append_event, jws);
    ledger::EventBody body;
    body.event_id = id;
    made.body = body;
    return made;
  }
  static door::OpenedEvent opened_of(const door::EventDraft& from) {
    door::OpenedEvent event;
    event.stream = from.stream;
    event.type = from.type;
    event.content_type = from.content_type;
    event.data = from.data;
    event.compartments.emplace_back();
    event.signature.emplace();
    std::ranges::copy(from.signature_salt, event.signature->salt.begin());
    event.signature->about.resize(1);
    return event;
  }
  void keep_evidence(const std::string& jws) {
    const ledger::Header made = event_header(evidence_id, jws);
    check_.add_record(made);
    check_.add_event(made, opened(jws));
  }
  void record_event(u128 id, const std::string& jws, const door::OpenedEvent& event) {
    const ledger::Header made = event_header(id, jws);
    check_.add_record(made);
    check_.add_event(made, event);
  }
  bool said(std::string_view words) const { return said_.find(words) != std::string::npos; }
  static constexpr u128 evidence_id = 99;
};

TEST_F(SignedEventCheck, an_event_that_holds_what_was_signed_is_sound) {
  const std::string jws = sign({*door::signed_event(draft(1)), transfer(2)});
  keep_evidence(jws);
  record_event(1, jws, opened_of(draft(1)));
  record(transfer(2), jws);
  check_.add_record(event_header(evidence_id, jws));  // sent again
  EXPECT_EQ(said_, "");
  EXPECT_EQ(check_.signatures(), 1u);
  EXPECT_EQ(check_.records(), 2u);
  EXPECT_EQ(check_.contents(), 1u);
  EXPECT_EQ(check_.unread(), 0u);
}

TEST_F(SignedEventCheck, of_what_is_forgotten_the_line_alone_is_compared) {
  const std::string jws = sign({*door::signed_event(draft(1))});
  keep_evidence(jws);
  door::OpenedEvent gone;
  gone.forgotten = true;
  record_event(1, jws, gone);
  EXPECT_EQ(said_, "");
  EXPECT_EQ(check_.contents(), 0u);
  EXPECT_EQ(check_.records(), 1u);
}

TEST_F(SignedEventCheck, another_content_or_another_event_is_found) {
  const std::string jws = sign({*door::signed_event(draft(1))});
  keep_evidence(jws);
  record_event(1, jws, opened_of(draft(1, "[]")));
  EXPECT_TRUE(said("an event with another content"));
  said_.clear();
  door::OpenedEvent unsalted = opened_of(draft(1));
  unsalted.signature.reset();
  record_event(1, jws, unsalted);
  EXPECT_TRUE(said("an event without a salt"));
  said_.clear();
  record_event(2, jws, opened_of(draft(2)));
  EXPECT_TRUE(said("no such command"));
}

TEST_F(SignedEventCheck, an_event_without_evidence_is_found) {
  const std::string jws = sign({*door::signed_event(draft(1))});
  record_event(1, jws, opened_of(draft(1)));  // where its evidence has to stand
  EXPECT_TRUE(said("what was signed is not there"));
  said_.clear();
  record_event(3, jws, opened_of(draft(3)));
  EXPECT_TRUE(said("what was signed is not there"));
  said_.clear();
  const std::string other = sign({*door::signed_event(draft(4))});
  ledger::Header refused = event_header(4, other);
  refused.outcome = static_cast<ledger::Outcome>(3);
  check_.add_record(refused);
  EXPECT_TRUE(said("what was signed is not there")) << "evidence is never refused";
  EXPECT_EQ(check_.unread(), 3u);
}

}  // namespace
}  // namespace meridian::audit::internal
