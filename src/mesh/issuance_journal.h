// The journal of a certificate authority: every certificate it issued, in a chain of digests, so
// that none can be taken out or put in later unnoticed.
//
// A CA issues while nothing else works, so it writes for itself; the journal is exported and
// becomes records of the ledger later, which is what pins its head. A certificate leaves the CA
// only after its entry is durable: issue_on_record().
// One thread; of several processes one at a time (refresh()). append() blocks on one write and one
// sync. After a failed write everything is refused: open it again. Cost: 400 bytes of disk and 16
// bytes of memory per entry. Bytes: docs/formats/journal.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/sha256.h"
#include "io/disk.h"
#include "mesh/authority.h"
#include "mesh/spiffe_id.h"

namespace meridian::mesh {

/// By what right a certificate was issued.
struct IssuanceGrounds {
  enum class Kind : std::uint8_t {
    token,    ///< A join token; `text`: its SHA-256 in hexadecimal.
    renewal,  ///< An existing certificate; `text`: its serial number. Of what the CA gives
              ///< itself: of the CA's own.
    officer,  ///< A person at the CA; `text`: their name, of the characters of a SPIFFE id.
    sign_in,  ///< An identity provider's word; `text`: sign_in_text().
  };
  Kind kind = Kind::token;
  std::string text;
  bool operator==(const IssuanceGrounds&) const = default;
};

/// Of a sign-in: whose word it was, and about whom, without a name that others know them by.
struct SignInGrounds {
  crypto::Digest subject{};  ///< SHA-256 of the issuer, LF, and the provider's name for the person.
  crypto::Digest token{};    ///< SHA-256 of what is signed of the ID token: it is good once.
  std::string issuer;
  bool operator==(const SignInGrounds&) const = default;
};
std::string sign_in_text(const SignInGrounds& grounds);
/// Nothing unless `text` is what the above gives.
std::optional<SignInGrounds> parse_sign_in_text(std::string_view text);

/// For people: "renewal of 0123…".
std::string describe(const IssuanceGrounds& grounds);

struct Issuance {
  std::int64_t time = 0;  ///< Seconds since 1970 by the CA's clock.
  std::string serial;     ///< As Certificate::serial().
  SpiffeId id;
  crypto::Digest spki_digest{};
  std::int64_t not_after = 0;  ///< Seconds since 1970.
  IssuanceGrounds grounds;
  bool operator==(const Issuance&) const = default;
};

/// What a reader keeps to notice later that entries before it were changed.
struct JournalHead {
  std::uint64_t count = 0;  ///< Entries so far; the newest has this number.
  crypto::Digest digest{};  ///< Of the newest; without entries of the first line.
  bool operator==(const JournalHead&) const = default;
};

struct JournalEntry {
  std::uint64_t number = 0;  ///< From 1.
  crypto::Digest previous{};
  Issuance issuance;
  crypto::Digest digest{};
  bool operator==(const JournalEntry&) const = default;
};

inline constexpr std::size_t journal_line_size_max = 4096;
/// The first line, with its newline. Asserts a trust domain.
std::string format_journal_start(std::string_view trust_domain);
/// A line with its newline; fills in the digest. Asserts that the issuance can be written:
/// is_recordable().
std::string format_journal_entry(std::uint64_t number, const crypto::Digest& previous,
                                 const Issuance& issuance);
/// Errors: invalid_argument unless `line` (without newline) is exactly what the above gives.
Result<JournalEntry> parse_journal_entry(std::string_view line);
/// True if every field has its form (an id, a serial, times that are not negative, grounds).
bool is_recordable(const Issuance& issuance);
/// Of the journal of `trust_domain` before its first entry. Asserts a trust domain.
JournalHead empty_journal_head(std::string_view trust_domain);
/// The entries that come after `head`, of lines that are whole. Errors: data_loss naming the entry
/// that is damaged, missing or out of its chain.
Result<std::vector<JournalEntry>> read_journal_lines(std::string_view lines,
                                                     const JournalHead& head);
/// A whole exported journal. Errors: invalid_argument for another domain; data_loss naming the
/// entry that is damaged, missing or out of its chain.
Result<std::vector<JournalEntry>> read_journal(std::string_view text,
                                               std::string_view trust_domain);

class IssuanceJournal {
 public:
  /// Opens the file, or makes it. An entry that a crash tore is dropped: its certificate never
  /// left. Errors: data_loss naming the damaged entry (an entry that was ever acknowledged is never
  /// dropped for damage); failed_precondition if it is of another trust domain; of the disk.
  static Result<std::unique_ptr<IssuanceJournal>> open(io::Disk& disk, std::string_view path,
                                                       std::string_view trust_domain);

  /// Durable when it returns. Errors: invalid_argument unless is_recordable(); of the disk, and
  /// then failed_precondition for ever.
  Status append(const Issuance& issuance);

  /// Takes up what another process appended since: the two take turns by a lock that is theirs
  /// (of the directory), and whoever got it calls this first. Errors: as open().
  Status refresh();

  const JournalHead& head() const { return head_; }
  /// Bytes of a torn entry that open() dropped.
  std::uint64_t dropped_bytes() const { return dropped_bytes_; }
  /// Up to `count` entries from number `first` on. Errors: out_of_range unless 1 <= first <=
  /// head().count + 1; data_loss; of the disk. Cost: reads what is asked for.
  Result<std::vector<JournalEntry>> read(std::uint64_t first, std::size_t count);
  /// The bytes of those lines, for whoever imports or archives them. Errors: as read().
  Result<std::string> read_text(std::uint64_t first, std::size_t count);

 private:
  IssuanceJournal(std::string shown_path, std::unique_ptr<io::File> file)
      : shown_path_(std::move(shown_path)), file_(std::move(file)) {}
  Status recover(std::string_view trust_domain);
  Status drop_torn(Bytes tail, std::uint64_t offset);
  Error damaged(std::string_view what) const;

  std::string shown_path_;
  std::unique_ptr<io::File> file_;
  JournalHead head_;
  std::vector<std::uint64_t> offsets_;  ///< Of each entry, then the end.
  std::uint64_t dropped_bytes_ = 0;
  bool is_broken_ = false;
};

/// Issues, writes it down, and only then hands the certificate out. The one way to get one out of a
/// CA. Errors: as Authority::issue and IssuanceJournal::append; nothing was handed out then.
Result<Certificate> issue_on_record(Authority& authority, IssuanceJournal& journal, Bytes csr_der,
                                    const SpiffeId& id, std::int64_t lifetime_seconds,
                                    const IssuanceGrounds& grounds, io::Clock& clock,
                                    const std::optional<PersonEvidence>& evidence = std::nullopt);
/// The same of the CA's own certificate as a server: Authority::issue_own.
Result<Certificate> issue_own_on_record(Authority& authority, IssuanceJournal& journal,
                                        Bytes csr_der, std::int64_t lifetime_seconds,
                                        io::Clock& clock);

}  // namespace meridian::mesh
