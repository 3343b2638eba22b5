#include <algorithm>

#include "api/convert.h"
#include "api/follow.h"
#include "api/internal/stream_writer.h"
#include "api/services.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

using Writer = internal::StreamWriter<v1::FeedBatch>;

/// Counts down to the limit that the client set; without one, for ever.
class Feed {
 public:
  Feed(std::shared_ptr<RecordFollower> follower, std::uint32_t limit)
      : follower_(std::move(follower)), endless_(limit == 0), left_(limit) {}

  void pull(const std::shared_ptr<Feed>& self,
            std::function<void(Result<Writer::Messages>)> ready) {
    if (!endless_ && left_ == 0) return ready(Writer::Messages{});
    std::size_t count_max = endless_ ? RecordFollower::page_records_max : left_;
    follower_->next(count_max,
                    [self, ready = std::move(ready)](Result<std::vector<FeedItem>> items) {
                      if (!items) return ready(items.error());
                      self->left_ -= self->endless_ ? 0 : static_cast<std::uint32_t>(items->size());
                      Writer::Messages messages(1);
                      for (const FeedItem& item : *items) {
                        v1::FeedRecord& record = *messages[0].add_records();
                        record.set_record_index(item.record_index);
                        record.set_header(item.header.data(), item.header.size());
                        record.set_payload(item.payload.data(), item.payload.size());
                      }
                      ready(std::move(messages));
                    });
  }

 private:
  std::shared_ptr<RecordFollower> follower_;
  const bool endless_;
  std::uint32_t left_;
};

class FeedService final : public v1::Feed::CallbackService {
 public:
  explicit FeedService(Backend& backend) : backend_(backend) {}

  grpc::ServerWriteReactor<v1::FeedBatch>* Follow(grpc::CallbackServerContext* context,
                                                  const v1::FeedRequest* request) override {
    auto follower = std::make_shared<RecordFollower>(backend_, request->position(), true);
    auto feed = std::make_shared<Feed>(follower, request->limit());
    auto pull = [feed](std::function<void(Result<Writer::Messages>)> ready) {
      feed->pull(feed, std::move(ready));
    };
    return Writer::begin(backend_, *context, {follower, std::move(pull)}, [](const Asker& asker) {
      return asker.check(mesh::Action::records_read);
    });
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_feed_service(Backend& backend) {
  return std::make_unique<FeedService>(backend);
}

}  // namespace meridian::api
