#include "oidc/https.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <openssl/err.h>

#include <array>
#include <memory>

namespace meridian::oidc {
namespace {

struct CleanUp {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, CleanUp>;

struct Taken {
  std::string body;
  bool is_too_big = false;
};

std::size_t take(const char* data, std::size_t, std::size_t size, void* to) {
  auto& taken = *static_cast<Taken*>(to);
  if (taken.body.size() + size > answer_size_max) {
    taken.is_too_big = true;
    return 0;
  }
  taken.body.append(data, size);
  return size;
}

template <typename Value>
bool set(const Handle& handle, CURLoption option, Value value) {
  return curl_easy_setopt(handle.get(), option, value) == CURLE_OK;
}

bool prepare(const Handle& handle, const HttpsAsk& ask, Taken& taken, char* words) {
  constexpr long patience_ms = static_cast<std::int64_t>(https_patience) / 1'000'000;
  bool is_set =
      set(handle, CURLOPT_URL, ask.url.c_str()) && set(handle, CURLOPT_PROTOCOLS_STR, "https") &&
      set(handle, CURLOPT_FOLLOWLOCATION, 0L) && set(handle, CURLOPT_NOSIGNAL, 1L) &&
      set(handle, CURLOPT_TIMEOUT_MS, patience_ms) &&
      set(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2)) &&
      set(handle, CURLOPT_SSL_VERIFYPEER, 1L) && set(handle, CURLOPT_SSL_VERIFYHOST, 2L) &&
      set(handle, CURLOPT_ERRORBUFFER, words) &&
      set(handle, CURLOPT_MAXFILESIZE, static_cast<long>(answer_size_max)) &&
      set(handle, CURLOPT_WRITEFUNCTION, take) && set(handle, CURLOPT_WRITEDATA, &taken) &&
      set(handle, CURLOPT_USERAGENT, "meridian");
  if (is_set && !ask.form.empty())
    is_set = set(handle, CURLOPT_POSTFIELDSIZE, static_cast<long>(ask.form.size())) &&
             set(handle, CURLOPT_POSTFIELDS, ask.form.c_str());
  if (is_set && !ask.ca_pem.empty()) {
    curl_blob pem{const_cast<char*>(ask.ca_pem.data()), ask.ca_pem.size(), CURL_BLOB_COPY};
    is_set = set(handle, CURLOPT_CAINFO_BLOB, &pem) &&
             set(handle, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  return is_set;
}

}  // namespace

Result<HttpsAnswer> fetch_https(const HttpsAsk& ask) {
  const Handle handle(curl_easy_init());
  if (handle == nullptr) return fail(Code::internal, "libcurl does not start");
  std::array<char, CURL_ERROR_SIZE> words{};
  Taken taken;
  if (!prepare(handle, ask, taken, words.data()))
    return fail(Code::internal, fmt::format("{}: libcurl does not take the request", ask.url));
  const CURLcode done = curl_easy_perform(handle.get());
  ERR_clear_error();
  if (taken.is_too_big || done == CURLE_FILESIZE_EXCEEDED)
    return fail(Code::resource_exhausted,
                fmt::format("{}: its answer is larger than 1 MiB", ask.url));
  if (done == CURLE_OPERATION_TIMEDOUT)
    return fail(Code::unavailable, fmt::format("{}: no whole answer within 10 s", ask.url));
  const char* const why = words[0] == '\0' ? curl_easy_strerror(done) : words.data();
  if (done == CURLE_PEER_FAILED_VERIFICATION || done == CURLE_SSL_CONNECT_ERROR)
    return fail(Code::unavailable,
                fmt::format("{}: no TLS with it, as its certificate is not vouched for, or damaged "
                            "({}). the authority's settings name who vouches for it (`ca_file`)",
                            ask.url, why));
  if (done != CURLE_OK) return fail(Code::unavailable, fmt::format("{}: {}", ask.url, why));
  HttpsAnswer answer;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  answer.body = std::move(taken.body);
  return answer;
}

}  // namespace meridian::oidc
