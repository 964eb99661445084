#include "server/observe/freshness.h"

#include "server/pg/test_point.h"

namespace mend::observe {
namespace {

constexpr uint32_t kTables = 512;
constexpr uint32_t kWindow = 8;  // slots in which a table is looked for
constexpr TimestampTz kPrecision =
    100000;  // microseconds: a busy table's cache line is not written for every row
constexpr int kNotes = 16;

struct Slot {
  pg_atomic_uint64 key;  // database and table; 0: free
  pg_atomic_uint64 offered;
  pg_atomic_uint64 stored;
  pg_atomic_uint64 ignored;  // payloads that were older than the stored row
  pg_atomic_uint64 read;     // rows with a value that a reading has made
};

struct Note {
  Oid target;
  bool stored;
  int64_t ignored;
  int64_t read;
};

Slot* slots = nullptr;
bool unavailable = false;
Note notes[kNotes];  // of the current transaction
int note_count = 0;

uint64_t Key(Oid target) { return (static_cast<uint64_t>(MyDatabaseId) << 32) | target; }

uint32_t Home(uint64_t key) {
  return static_cast<uint32_t>((key * 0x9E3779B97F4A7C15ULL) >> 32) % kTables;
}

Slot* Find(uint64_t key) {
  for (uint32_t i = 0; i < kWindow; ++i) {
    Slot* slot = &slots[(Home(key) + i) % kTables];
    if (pg_atomic_read_u64(&slot->key) == key) {
      return slot;
    }
  }
  return nullptr;
}

// A slot for a table that has none: a free one, else that of the table which was offered nothing
// for the longest. Two that take the same slot at once leave it to the later one: what is lost is a
// time, until the next row.
Slot* Take(uint64_t key) {
  Slot* oldest = nullptr;
  for (uint32_t i = 0; i < kWindow; ++i) {
    Slot* slot = &slots[(Home(key) + i) % kTables];
    uint64_t free = 0;
    if (pg_atomic_compare_exchange_u64(&slot->key, &free, key) || free == key) {
      return slot;
    }
    if (oldest == nullptr ||
        pg_atomic_read_u64(&slot->offered) < pg_atomic_read_u64(&oldest->offered)) {
      oldest = slot;
    }
  }
  pg_atomic_write_u64(&oldest->key, key);
  pg_atomic_write_u64(&oldest->offered, 0);
  pg_atomic_write_u64(&oldest->stored, 0);
  pg_atomic_write_u64(&oldest->ignored, 0);
  pg_atomic_write_u64(&oldest->read, 0);
  return oldest;
}

void Advance(pg_atomic_uint64* time, TimestampTz now) {
  if (static_cast<TimestampTz>(pg_atomic_read_u64(time)) + kPrecision <= now) {
    pg_atomic_write_u64(time, static_cast<uint64_t>(now));
  }
}

// Runs inside COMMIT, where an error would be a PANIC: nothing here allocates or raises.
void AtTransactionEnd(XactEvent event, void*) {
  if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_PREPARE && event != XACT_EVENT_ABORT) {
    return;
  }
  const int count = note_count;
  note_count = 0;
  if (event == XACT_EVENT_ABORT || count == 0) {
    return;
  }
  const TimestampTz now = GetCurrentTransactionStopTimestamp();
  for (int i = 0; i < count; ++i) {
    const uint64_t key = Key(notes[i].target);
    Slot* slot = Find(key);
    slot = slot != nullptr ? slot : Take(key);
    Advance(&slot->offered, now);
    if (notes[i].stored) {
      Advance(&slot->stored, now);
    }
    if (notes[i].ignored > 0) {
      pg_atomic_fetch_add_u64(&slot->ignored, notes[i].ignored);
    }
    if (notes[i].read > 0) {
      pg_atomic_fetch_add_u64(&slot->read, notes[i].read);
    }
  }
}

void MakeSlots() {
  bool found;
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  auto* made =
      static_cast<Slot*>(ShmemInitStruct("pg_mend tables 0.2", sizeof(Slot) * kTables, &found));
  if (!found) {
    for (uint32_t i = 0; i < kTables; ++i) {
      pg_atomic_init_u64(&made[i].key, 0);
      pg_atomic_init_u64(&made[i].offered, 0);
      pg_atomic_init_u64(&made[i].stored, 0);
      pg_atomic_init_u64(&made[i].ignored, 0);
      pg_atomic_init_u64(&made[i].read, 0);
    }
  }
  LWLockRelease(AddinShmemInitLock);
  slots = made;
}

// Shared memory is exhausted, which PostgreSQL reports as out-of-memory as well.
bool NoRoomInSharedMemory(const pg::Error& error) {
  return error.sqlerrcode() == ERRCODE_OUT_OF_MEMORY &&
         error.fields().function == "ShmemInitStruct";
}

// A subtransaction, once a process: shared memory that is exhausted must not fail a row.
bool Attached() {
  if (slots == nullptr && !unavailable) {
    try {
      unavailable = pg::Attempt([] {
                      pg::TestPoint("freshness");
                      pg::Call([] { MakeSlots(); });
                    }).has_value();
    } catch (const pg::Error& error) {
      unavailable = NoRoomInSharedMemory(error);
      if (!unavailable) {
        throw;
      }
    }
    if (slots != nullptr) {
      pg::Call([] { RegisterXactCallback(AtTransactionEnd, nullptr); });
    }
  }
  return slots != nullptr;
}

// Null where there is no room.
Note* NoteOf(Oid target) {
  for (int i = note_count - 1; i >= 0; --i) {
    if (notes[i].target == target) {
      return &notes[i];
    }
  }
  if (note_count == kNotes || !Attached()) {
    return nullptr;
  }
  notes[note_count] = {target, false, 0, 0};
  return &notes[note_count++];
}

}  // namespace

void NoteOffered(Oid target, bool stored) {
  if (Note* note = NoteOf(target)) {
    note->stored = note->stored || stored;
  }
}

void NoteIgnored(Oid target, int64_t count) {
  if (Note* note = count > 0 ? NoteOf(target) : nullptr) {
    note->ignored += count;
  }
}

void NoteRead(Oid target, int64_t count) {
  if (Note* note = count > 0 ? NoteOf(target) : nullptr) {
    note->read += count;
  }
}

LastSeen LastSeenOf(Oid target) {
  LastSeen seen;
  if (!Attached()) {
    return seen;
  }
  if (Slot* slot = Find(Key(target))) {
    seen.offered = static_cast<TimestampTz>(pg_atomic_read_u64(&slot->offered));
    seen.stored = static_cast<TimestampTz>(pg_atomic_read_u64(&slot->stored));
    seen.read = static_cast<int64_t>(pg_atomic_read_u64(&slot->read));
    seen.ignored = static_cast<int64_t>(pg_atomic_read_u64(&slot->ignored));
  }
  return seen;
}

}  // namespace mend::observe
