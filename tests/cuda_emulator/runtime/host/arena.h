// Device memory: one reserved range of addresses, handed out in aligned pieces with a guard behind
// each. Bounds are exact to the byte; new memory is poisoned (NaN, -1); freed memory rests in a
// quarantine before it is used again.
#pragma once

static const size_t ARENA_SIZE = size_t(8) << 30;  // addresses, not memory: pages come when touched
static const size_t ALIGNMENT = 512, GUARD = 512;  // cudaMalloc aligns to 256 at least
static const size_t QUARANTINE = 64, QUARANTINE_BYTES = 256 << 20;  // freed, not reused yet
static const size_t LARGE = 1 << 20;  // from here on, freed pages go back to the system
static const uint8_t POISON = 0xFF, CANARY = 0xCB, FREED = 0xFD;

static char* arena = nullptr;
static uint8_t* valid_bytes = nullptr;  // per granule of 16 bytes: how many may be used, or FREED
static size_t arena_top = 0;
static std::map<size_t, size_t> live;                     // offset -> size
static std::multimap<size_t, size_t> reusable;            // footprint -> offset
static std::deque<std::pair<size_t, size_t>> quarantine;  // footprint, offset
static size_t quarantined = 0;                            // bytes

static void forget_shadow(size_t offset, size_t bytes);  // see shadow.h

static void* reserve(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    perror("CUDA emulator: mmap");
    abort();
  }
  return p;
}

static void reserve_arena() {
  if (arena) return;
  arena = (char*)reserve(ARENA_SIZE);
  valid_bytes = (uint8_t*)reserve(ARENA_SIZE / 16);
  arena_top = (ALIGNMENT - ((uintptr_t)arena & (ALIGNMENT - 1))) % ALIGNMENT;
}

static inline bool in_arena(const void* p) { return (size_t)((char*)p - arena) < ARENA_SIZE; }

static size_t footprint(size_t bytes) {
  return (std::max(bytes, size_t(1)) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + GUARD;
}

static void drop_pages(void* from, size_t bytes) {
  uintptr_t begin = ((uintptr_t)from + 4095) & ~uintptr_t(4095);
  uintptr_t end = ((uintptr_t)from + bytes) & ~uintptr_t(4095);
  if (begin < end) madvise((void*)begin, end - begin, MADV_DONTNEED);
}

// The smallest reusable piece that is large enough, what it has too much split off.
static bool take_reusable(size_t whole, size_t& offset) {
  auto found = reusable.lower_bound(whole);
  if (found == reusable.end()) return false;
  size_t rest = found->first - whole;
  offset = found->second;
  reusable.erase(found);
  if (rest) reusable.insert({rest, offset + whole});
  return true;
}

static void release_from_quarantine() {
  auto piece = quarantine.front();
  quarantine.pop_front();
  quarantined -= piece.first;
  if (piece.first >= LARGE) {
    drop_pages(arena + piece.second, piece.first);
    forget_shadow(piece.second, piece.first);
  }
  reusable.insert(piece);
}

static void merge_reusable() {
  std::map<size_t, size_t> by_offset;
  for (auto& piece : reusable) by_offset[piece.second] = piece.first;
  reusable.clear();
  size_t offset = 0, whole = 0;
  for (auto& piece : by_offset) {
    if (whole && offset + whole == piece.first) {
      whole += piece.second;
      continue;
    }
    if (whole) reusable.insert({whole, offset});
    offset = piece.first;
    whole = piece.second;
  }
  if (whole) reusable.insert({whole, offset});
}

static bool find_place(size_t whole, size_t& offset) {
  if (take_reusable(whole, offset)) return true;
  if (arena_top + whole <= ARENA_SIZE) {
    offset = arena_top;
    arena_top += whole;
    return true;
  }
  while (!quarantine.empty()) release_from_quarantine();
  merge_reusable();
  return take_reusable(whole, offset);
}

extern "C" void* emulator_arena(size_t* size) {
  reserve_arena();
  *size = ARENA_SIZE;
  return arena;
}

extern "C" void* emulator_malloc(size_t bytes) {
  reserve_arena();
  size_t whole = footprint(bytes), offset;
  if (!find_place(whole, offset)) return nullptr;
  live[offset] = bytes;
  memset(arena + offset, POISON, bytes);
  memset(arena + offset + bytes, CANARY, whole - bytes);
  memset(valid_bytes + offset / 16, 0, whole / 16);
  memset(valid_bytes + offset / 16, 16, bytes / 16);
  if (bytes % 16) valid_bytes[(offset + bytes) / 16] = bytes % 16;
  return arena + offset;
}

extern "C" void emulator_free(void* p) {
  auto piece = live.find((char*)p - arena);
  if (piece == live.end()) return;
  size_t offset = piece->first, whole = footprint(piece->second);
  live.erase(piece);
  memset(valid_bytes + offset / 16, FREED, whole / 16);
  quarantine.push_back({whole, offset});
  quarantined += whole;
  while (quarantine.size() > QUARANTINE || quarantined > QUARANTINE_BYTES)
    release_from_quarantine();
}

// The start of the live piece that holds p, or null.
extern "C" void* emulator_piece(const void* p) {
  if (!arena || !in_arena(p)) return nullptr;
  size_t offset = (char*)p - arena;
  auto next = live.upper_bound(offset);
  if (next == live.begin()) return nullptr;
  --next;
  return offset - next->first < footprint(next->second) ? arena + next->first : nullptr;
}

// How many live pieces were written past their end; mends their guards.
extern "C" size_t emulator_overruns() {
  size_t overruns = 0;
  for (auto& piece : live) {
    char* guard = arena + piece.first + piece.second;
    size_t length = footprint(piece.second) - piece.second;
    for (size_t i = 0; i < length; i++)
      if ((uint8_t)guard[i] != CANARY) {
        overruns++;
        memset(guard, CANARY, length);
        break;
      }
  }
  return overruns;
}
