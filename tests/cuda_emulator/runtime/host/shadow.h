// Shadow memory: for each 2 bytes of global and shared memory, who wrote and read them last, and
// when. Neighbouring elements of 1 byte share a cell, and what one of them forgets of the other.
//
// Two accesses to a byte, one of them a write, are a race unless something orders them: a barrier
// between them (another epoch), a __syncwarp() in the same warp, both being atomic, or, across
// blocks, __threadfence() before an atomic that the other block has seen (the "last block"
// pattern). The history is one writer and the first reader per cell, as in most race checkers.
#pragma once

struct Cell {
  uint32_t launch;  // or serial number of the block, for shared memory: an older cell is empty
  uint32_t writer, reader;  // flat thread number in the grid, from 1
  uint16_t write_epoch, read_epoch, write_syncs, read_syncs;
  uint8_t written_bytes, read_bytes, flags, initialised;
};
enum : uint8_t { WRITE_ATOMIC = 1, READ_ATOMIC = 2, READ_BY_MANY = 4, READ_BY_MANY_BLOCKS = 8 };

static const size_t CELL = 2;  // bytes

static Cell* global_cells = nullptr;
static std::vector<Cell> static_cells, dynamic_cells;
static char *shared_begin = nullptr, *shared_end = nullptr;  // static __shared__ arrays
static uint32_t launch_serial = 0, block_serial = 0;

static void forget_shadow(size_t offset, size_t bytes) {
  if (global_cells) drop_pages(global_cells + offset / CELL, bytes / CELL * sizeof(Cell));
}

// Blocks that fenced and then published through an atomic on this word; words that the running
// block has seen; threads of the running block that have fenced.
static std::unordered_map<const void*, std::unordered_set<unsigned>> published;
static std::vector<const void*> acquired;
static std::vector<uint8_t> fenced;

extern "C" void emulator_fence() {
  if (checking) fenced[current] = 1;
}

struct Access {
  const void* address;
  unsigned size;
  bool write, atomic;
  const void* caller;
  const char* verb() const { return write ? "write" : "read"; }
};

static inline unsigned block_of(uint32_t thread) { return (thread - 1) / thread_count; }

static void report_race(const char* kind, const Access& a, const void* p, uint32_t other,
                        bool shared) {
  if (race_allowed(a.caller)) return;
  emulator_fail(
      "racecheck: %s hazard on %s memory %p with block #%u thread #%u, no barrier between;"
      " at %s",
      kind, shared ? "__shared__" : "global", p, block_of(other), (other - 1) % thread_count,
      source_of(a.caller));
}

// Did what `other` did, at that epoch and count of warp syncs, happen before now?
static inline bool ordered(uint32_t other, uint16_t epoch, uint16_t syncs) {
  unsigned block = block_of(other);
  if (block != flat_block) {
    for (const void* word : acquired)
      if (published[word].count(block)) return true;
    return false;
  }
  if (epoch != (uint16_t)barrier.epoch) return true;
  unsigned thread = (other - 1) % thread_count;
  return (thread >> 5) == (current >> 5) && syncs != (uint16_t)warp_of(current).syncs;
}

static inline void note_write(Cell& cell, uint32_t me, unsigned bytes, const Access& a,
                              const void* p, bool shared) {
  bool mine = cell.reader == me;
  if (cell.reader && (cell.read_bytes & bytes) && !(a.atomic && (cell.flags & READ_ATOMIC)) &&
      !ordered(cell.reader, cell.read_epoch, cell.read_syncs)) {
    bool others = cell.flags & READ_BY_MANY && cell.read_epoch == (uint16_t)barrier.epoch;
    if (!mine || others || cell.flags & READ_BY_MANY_BLOCKS)
      report_race("write-after-read", a, p, cell.reader, shared);
  }
  bool again = cell.writer == me && cell.write_epoch == (uint16_t)barrier.epoch;
  bool was_plain =
      again && !(cell.flags & WRITE_ATOMIC);  // a plain write by this thread stays plain
  cell.written_bytes = again ? cell.written_bytes | bytes : bytes;
  cell.writer = me;
  cell.write_epoch = (uint16_t)barrier.epoch;
  cell.write_syncs = (uint16_t)warp_of(current).syncs;
  cell.initialised |= bytes;
  if (a.atomic && !was_plain)
    cell.flags |= WRITE_ATOMIC;
  else
    cell.flags &= ~WRITE_ATOMIC;
}

static inline void note_read(Cell& cell, uint32_t me, unsigned bytes, const Access& a) {
  bool same_epoch = cell.read_epoch == (uint16_t)barrier.epoch;
  bool another_block = cell.reader && cell.reader != me && block_of(cell.reader) != flat_block;
  bool another_thread = cell.reader && cell.reader != me && same_epoch;
  if (another_block || another_thread) {
    // Neighbours that share a cell (1-byte elements): it has no room for a second reader.
    if (!(cell.read_bytes & bytes)) return;
    cell.flags |= another_block ? READ_BY_MANY_BLOCKS : READ_BY_MANY;
    cell.read_bytes |= bytes;
    if (!a.atomic) cell.flags &= ~READ_ATOMIC;
    return;
  }
  if (cell.reader != me || !same_epoch) {
    cell.flags &= ~(READ_BY_MANY | READ_ATOMIC);
    cell.read_bytes = 0;
    if (a.atomic) cell.flags |= READ_ATOMIC;
  }
  cell.reader = me;
  cell.read_epoch = (uint16_t)barrier.epoch;
  cell.read_syncs = (uint16_t)warp_of(current).syncs;
  cell.read_bytes |= bytes;
  if (!a.atomic) cell.flags &= ~READ_ATOMIC;
}

// One cell; `bytes` has a bit for each of its bytes that are touched.
static inline void touch(Cell& cell, unsigned bytes, const Access& a, const void* p, bool shared) {
  uint32_t serial = shared ? block_serial : launch_serial;
  uint32_t me = flat_block * thread_count + current + 1;
  if (cell.launch != serial) {
    uint8_t initialised = shared ? 0 : cell.initialised;
    memset(&cell, 0, sizeof cell);
    cell.launch = serial;
    cell.initialised = initialised;
  }
  if (cell.writer && cell.writer != me && (cell.written_bytes & bytes) &&
      !(a.atomic && (cell.flags & WRITE_ATOMIC)) &&
      !ordered(cell.writer, cell.write_epoch, cell.write_syncs))
    report_race(a.write ? "write-after-write" : "read-after-write", a, p, cell.writer, shared);
  if (a.write) note_write(cell, me, bytes, a, p, shared);
  if (a.write && !a.atomic) return;
  if (shared && !a.write && (cell.initialised & bytes) != bytes)
    emulator_fail("initcheck: read of uninitialised __shared__ memory %p at %s", p,
                  source_of(a.caller));
  note_read(cell, me, bytes, a);
}

static inline void touch_all(Cell* cells, size_t offset, const Access& a, bool shared) {
  for (unsigned done = 0; done < a.size;) {
    unsigned first = (offset + done) % CELL, count = std::min<unsigned>(CELL - first, a.size - done);
    touch(cells[(offset + done) / CELL], ((1u << count) - 1) << first, a, (char*)a.address + done,
          shared);
    done += count;
  }
}

// Bounds and alignment. A kernel may touch the allocations that its arguments point to, and write
// to those that an argument without const points to: an index that is far off then does not go
// unnoticed because it happens to hit another array.

struct Range {
  char *begin, *end;
  int writable;
};
static const Range* ranges = nullptr;
static int range_count = -1;

static inline bool reachable(const Access& a) {
  if (range_count < 0) return true;
  for (int i = 0; i < range_count; i++)
    if (a.address >= ranges[i].begin && a.address < ranges[i].end &&
        (ranges[i].writable || !a.write))
      return true;
  return false;
}

static void report_bounds(const Access& a) {
  size_t offset = (char*)a.address - arena;
  char where[128] = "no allocation near";
  auto next = live.upper_bound(offset);
  if (next != live.begin()) {
    --next;
    snprintf(where, sizeof where, "%zd bytes past the start of a %zu-byte allocation",
             (ssize_t)(offset - next->first), next->second);
  }
  emulator_fail("memcheck: invalid %u-byte global %s at %p (%s%s) at %s", a.size, a.verb(),
                a.address, valid_bytes[offset / 16] == FREED ? "freed memory; " : "", where,
                source_of(a.caller));
}

static inline void check_global(const Access& a) {
  size_t offset = (char*)a.address - arena, end = offset + a.size;
  unsigned log2 = a.size >= 16 ? 4 : __builtin_ctz(a.size | 16);
  if (a.atomic)
    statistics.atomics++;
  else
    (a.write ? statistics.writes : statistics.reads)[log2]++;
  bool power_of_two = (a.size & (a.size - 1)) == 0;
  if (power_of_two && (uintptr_t)a.address & (std::min(a.size, 16u) - 1))
    emulator_fail("memcheck: misaligned %u-byte global %s at %p at %s (cudaErrorMisalignedAddress)",
                  a.size, a.verb(), a.address, source_of(a.caller));
  for (size_t granule = offset & ~size_t(15); granule < end; granule += 16) {
    uint8_t valid = valid_bytes[granule / 16];
    if (valid > 16 || std::min(end, granule + 16) - granule > valid) report_bounds(a);
  }
  if (!reachable(a))
    emulator_fail(
        "memcheck: invalid %u-byte global %s at %p: no argument points to this memory%s; at %s",
        a.size, a.verb(), a.address, a.write ? " without const" : "", source_of(a.caller));
  touch_all(global_cells, offset, a, false);
}

static inline void check(const Access& a) {
  if (!checking) return;
  char* p = (char*)a.address;
  if (in_arena(p)) {
    check_global(a);
  } else if (p >= shared_begin && p < shared_end) {
    touch_all(static_cells.data(), p - shared_begin, a, true);
  } else if (dynamic_shared && p >= dynamic_shared - 4096 &&
             p < dynamic_shared + dynamic_shared_size + 4096) {
    if (p < dynamic_shared || p + a.size > dynamic_shared + dynamic_shared_size)
      emulator_fail(
          "memcheck: %u-byte access %zd bytes into %zu bytes of dynamic shared memory at %s",
          a.size, (ssize_t)(p - dynamic_shared), dynamic_shared_size, source_of(a.caller));
    touch_all(dynamic_cells.data(), p - dynamic_shared, a, true);
  } else if (p >= stacks_begin && p < stacks_end) {
    return;  // the last to be asked: libraries and shared memory may lie between two stacks
  } else if ((uintptr_t)p < 65536) {
    emulator_fail("memcheck: null pointer %s at %p at %s", a.verb(), p, source_of(a.caller));
  } else if (a.write) {
    emulator_fail(
        "memcheck: %u-byte write to memory that is neither device nor shared nor local: %p"
        " (host pointer?) at %s",
        a.size, p, source_of(a.caller));
  }
}

extern "C" void emulator_atomic(const void* p, unsigned size, const void* caller) {
  if (checking) {
    if (published.count(p)) acquired.push_back(p);
    if (fenced[current]) published[p].insert(flat_block);
  }
  if ((uintptr_t)p & (size - 1))
    emulator_fail("memcheck: misaligned %u-byte atomic at %p", size, p);
  check({p, size, true, true, caller});
}
