#include "server/ingest/inbox.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "server/ingest/batch.h"

namespace mend::ingest {
namespace {

struct Stream {
  Oid view;
  SubTransactionId subtransaction;
  std::unique_ptr<Batch> batch;
  std::deque<std::string> payloads;  // what the batch still points to
};

// Statements nest: a trigger of one landing table may feed the inbox of another.
std::vector<std::unique_ptr<Stream>>& Streams() {
  static auto& streams = *new std::vector<std::unique_ptr<Stream>>();
  return streams;
}

void AtTransactionEnd(XactEvent event, void*) {
  switch (event) {
    case XACT_EVENT_ABORT:
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_PREPARE: Streams().clear(); break;
    case XACT_EVENT_PRE_COMMIT:
    case XACT_EVENT_PRE_PREPARE:
      if (!Streams().empty()) {
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("a statement into an inbox has not ended"),
                 errhint("The view's triggers come in three; one of them seems to be disabled.")));
      }
      break;
    default: break;
  }
}

void AtSubtransactionEnd(SubXactEvent event, SubTransactionId mine, SubTransactionId parent,
                         void*) {
  if (event == SUBXACT_EVENT_COMMIT_SUB) {
    for (std::unique_ptr<Stream>& stream : Streams()) {
      if (stream->subtransaction == mine) {
        stream->subtransaction = parent;
      }
    }
  } else if (event == SUBXACT_EVENT_ABORT_SUB) {
    while (!Streams().empty() && Streams().back()->subtransaction >= mine) {
      Streams().pop_back();
    }
  }
}

void ListenOnce() {
  static bool listening = false;
  if (!listening) {
    pg::Call([] {
      RegisterXactCallback(AtTransactionEnd, nullptr);
      RegisterSubXactCallback(AtSubtransactionEnd, nullptr);
    });
    listening = true;
  }
}

bool IsBlank(std::string_view text) {
  return WithoutMark(text).find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// The innermost statement's; nullptr: none. One WITH may feed several inboxes, and their statements
// end in any order.
Stream* FindStream(Oid view) {
  for (auto stream = Streams().rbegin(); stream != Streams().rend(); ++stream) {
    if ((*stream)->view == view) {
      return stream->get();
    }
  }
  return nullptr;
}

void Forget(const Stream* ended) {
  auto& streams = Streams();
  streams.erase(std::find_if(streams.begin(), streams.end(),
                             [&](const auto& stream) { return stream.get() == ended; }));
}

}  // namespace

void BeginInbox(Oid view, Oid target) {
  ListenOnce();
  auto stream = std::make_unique<Stream>();
  stream->view = view;
  stream->subtransaction = GetCurrentSubTransactionId();
  stream->batch = std::make_unique<Batch>(target, TopMemoryContext);
  Streams().push_back(std::move(stream));
}

Counts OfferToInbox(Oid view, Oid target, std::string_view payload) {
  if (IsBlank(payload)) {
    return {};
  }
  Stream* stream = FindStream(view);
  if (stream == nullptr) {
    return InsertText(target, payload);
  }
  stream->batch->AddText(stream->payloads.emplace_back(payload));
  if (stream->batch->pending() == 0) {
    stream->payloads.clear();
  }
  return {};
}

Counts EndInbox(Oid view) {
  Stream* stream = FindStream(view);
  if (stream == nullptr) {
    return {};
  }
  // Stays in the list while it is stored: an error then finds it there.
  stream->batch->Flush();
  const Counts counts = stream->batch->counts();
  Forget(stream);
  return counts;
}

}  // namespace mend::ingest
