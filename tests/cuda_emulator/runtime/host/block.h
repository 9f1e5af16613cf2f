// The threads of one block: who runs, who waits at a barrier or in a warp collective, who is done.
//
// A fiber runs thread after thread until one has to wait, so a kernel without barriers never
// switches.
#pragma once

enum State : uint8_t { FRESH, READY, AT_BARRIER, IN_WARP_OPERATION, DONE };

struct Thread {
  Index3 index;
  unsigned flat;
  State state;
  Fiber* fiber;
  uint64_t value, result;  // what it brings to a collective, what it gets
  unsigned mask;
  int operation, argument, width;
  const char* file;
  int line;
};

// Per warp, one bit per lane; and how often the warp has met at __syncwarp().
struct Warp {
  unsigned ready, waiting, done, syncs;
};

static std::vector<Thread> threads;
static std::vector<Warp> warps;
static std::vector<unsigned> order;  // in which the threads start
static unsigned thread_count, started, running_threads, current;
static unsigned flat_block;

static struct Barrier {
  unsigned epoch, arrived;
  int votes;
  const char* file;
  int line;
} barrier;

static Thunk thunk;
static const void* kernel;
static void** arguments;
static char* dynamic_shared = nullptr;
static size_t dynamic_shared_size = 0;

static inline void make_current(unsigned t) {
  current = t;
  emulator_indices.thread = threads[t].index;
}
static inline unsigned lane_bit(unsigned flat) { return 1u << (flat & 31); }
static inline Warp& warp_of(unsigned flat) { return warps[flat >> 5]; }

static void leave_thread() { emulator_switch(&threads[current].fiber->saved, scheduler_saved); }

// Barriers.

static void release_barrier() {
  int votes = barrier.votes;
  barrier.arrived = 0;
  barrier.votes = 0;
  barrier.epoch++;
  statistics.barriers++;
  for (Thread& t : threads) {
    if (t.state != AT_BARRIER) continue;
    t.state = READY;
    warp_of(t.flat).ready |= lane_bit(t.flat);
    bool everybody = votes == (int)thread_count;
    t.result = t.operation == 0 ? votes : t.operation == 1 ? everybody : votes != 0;
  }
}

extern "C" int emulator_barrier_vote(int vote, int predicate, const char* file, int line) {
  Thread& t = threads[current];
  if (running_threads < thread_count)
    emulator_fail(
        "synccheck: %u threads of the block have exited and never come to __syncthreads()"
        " %s:%d (divergent barrier)",
        thread_count - running_threads, file, line);
  if (barrier.arrived && (barrier.line != line || strcmp(barrier.file, file)))
    emulator_fail(
        "synccheck: threads of one block wait at different __syncthreads(): %s:%d and %s:%d",
        barrier.file, barrier.line, file, line);
  barrier.file = t.file = file;
  barrier.line = t.line = line;
  barrier.votes += predicate;
  t.operation = vote;
  t.state = AT_BARRIER;
  if (++barrier.arrived == running_threads) {
    release_barrier();
    if (!schedule) {  // the last to come goes on at once
      warp_of(current).ready &= ~lane_bit(current);
      return (int)t.result;
    }
  }
  leave_thread();
  return (int)threads[current].result;
}

extern "C" void emulator_barrier(const char* file, int line) {
  emulator_barrier_vote(0, 0, file, line);
}

static void finish_thread() {
  threads[current].state = DONE;
  running_threads--;
  warp_of(current).done |= lane_bit(current);
  if (barrier.arrived && barrier.arrived == running_threads)
    emulator_fail(
        "synccheck: thread exited while %u other threads of the block wait at"
        " __syncthreads() %s:%d (divergent barrier)",
        barrier.arrived, barrier.file, barrier.line);
}

static void run_threads() {
  for (;;) {
    Fiber* mine = threads[current].fiber;
    thunk(kernel, arguments);
    finish_thread();
    if (started < thread_count && !schedule) {
      unsigned next = order[started++];
      threads[next].fiber = mine;
      threads[next].state = READY;
      make_current(next);
      continue;
    }
    leave_thread();  // for good: the scheduler puts this fiber back among the idle ones
    abort();
  }
}

// Warp collectives. The order is that of emulator::WarpOperation in device/collectives.h.

enum WarpOperation {
  SHUFFLE,
  SHUFFLE_UP,
  SHUFFLE_DOWN,
  SHUFFLE_XOR,
  BALLOT,
  SYNC,
  MATCH_ANY,
  REDUCE_ADD,
  REDUCE_MIN,
  REDUCE_MAX,
  REDUCE_AND,
  REDUCE_OR,
  REDUCE_XOR,
};
static const char* const WARP_NAMES[] = {
    "__shfl_sync",           "__shfl_up_sync",    "__shfl_down_sync",  "__shfl_xor_sync",
    "__ballot/any/all_sync", "__syncwarp",        "__match_any_sync",  "__reduce_add_sync",
    "__reduce_min_sync",     "__reduce_max_sync", "__reduce_and_sync", "__reduce_or_sync",
    "__reduce_xor_sync",
};

static int source_lane(int operation, int lane, int argument, int width) {
  int first = lane & ~(width - 1), source = lane;
  if (operation == SHUFFLE) source = first + (argument & (width - 1));
  if (operation == SHUFFLE_UP) source = lane - argument;
  if (operation == SHUFFLE_DOWN) source = lane + argument;
  if (operation == SHUFFLE_XOR) source = lane ^ argument;
  bool inside =
      operation == SHUFFLE_XOR ? source < first + width : source >= first && source < first + width;
  return inside ? source : lane;
}

static uint64_t reduce(int operation, uint64_t a, uint64_t b, bool is_signed) {
  int64_t signed_a = (int64_t)a, signed_b = (int64_t)b;
  switch (operation) {
    case REDUCE_ADD:
      return a + b;
    case REDUCE_MIN:
      return is_signed ? (uint64_t)std::min(signed_a, signed_b) : std::min(a, b);
    case REDUCE_MAX:
      return is_signed ? (uint64_t)std::max(signed_a, signed_b) : std::max(a, b);
    case REDUCE_AND:
      return a & b;
    case REDUCE_OR:
      return a | b;
    default:
      return a ^ b;
  }
}

// All lanes of the mask have come: give each its result.
static void complete(Thread* warp, unsigned mask, int operation, bool is_signed) {
  statistics.warp_operations++;
  uint64_t ballot = 0, total = 0;
  bool first = true;
  for (unsigned lane = 0; lane < 32; lane++) {
    if (!(mask >> lane & 1)) continue;
    uint64_t value = warp[lane].value;
    if (value) ballot |= uint64_t(1) << lane;
    total = first ? value : reduce(operation, total, value, is_signed);
    first = false;
  }
  for (unsigned lane = 0; lane < 32; lane++) {
    if (!(mask >> lane & 1)) continue;
    Thread& t = warp[lane];
    t.state = READY;
    if (operation <= SHUFFLE_XOR) {
      // A value from a lane outside the mask is undefined on the GPU: poison (NaN, -1).
      int source = source_lane(operation, lane, t.argument, t.width);
      t.result = mask >> source & 1 ? warp[source].value : ~uint64_t(0);
    } else if (operation == BALLOT) {
      t.result = ballot;
    } else if (operation == MATCH_ANY) {
      t.result = 0;
      for (unsigned other = 0; other < 32; other++)
        if (mask >> other & 1 && warp[other].value == t.value) t.result |= uint64_t(1) << other;
    } else {
      t.result = total;
    }
  }
}

static void check_warp_operation(int operation, unsigned mask, int width, const char* file,
                                 int line) {
  const char* name = WARP_NAMES[operation];
  unsigned lane = current & 31, size = std::min(32u, thread_count - (current & ~31u));
  const Warp& warp = warp_of(current);
  if (!(mask >> lane & 1))
    emulator_fail("synccheck: %s at %s:%d: calling lane %u is not in its own mask 0x%08x", name,
                  file, line, lane, mask);
  if (operation <= SHUFFLE_XOR && (width <= 0 || width > 32 || (width & (width - 1))))
    emulator_fail("%s at %s:%d: width %d is not a power of two <= 32", name, file, line, width);
  unsigned existing = size == 32 ? ~0u : (1u << size) - 1;
  if (mask & ~existing)
    emulator_fail(
        "synccheck: %s at %s:%d: mask 0x%08x names lanes that do not exist (the warp has %u"
        " threads)",
        name, file, line, mask, size);
  if (mask & warp.done)
    emulator_fail("synccheck: %s at %s:%d: mask 0x%08x names lanes that have exited (0x%08x)", name,
                  file, line, mask, mask & warp.done);
  if (unsigned there = warp.waiting & mask) {
    const Thread& other = threads[(current & ~31u) + __builtin_ctz(there)];
    if (other.operation != operation || other.mask != mask)
      emulator_fail(
          "synccheck: lanes %u and %u of a warp meet in different collectives: %s mask"
          " 0x%08x %s:%d / %s mask 0x%08x %s:%d",
          lane, other.flat & 31, name, mask, file, line, WARP_NAMES[other.operation], other.mask,
          other.file, other.line);
  }
}

extern "C" uint64_t emulator_warp(int operation, unsigned mask, uint64_t value, int argument,
                                  int width, const char* file, int line) {
  check_warp_operation(operation, mask, width, file, line);
  Thread& t = threads[current];
  Warp& warp = warp_of(current);
  t.state = IN_WARP_OPERATION;
  t.operation = operation;
  t.mask = mask;
  t.value = value;
  t.argument = argument;
  t.width = width;
  t.file = file;
  t.line = line;
  warp.waiting |= lane_bit(current);
  if ((warp.waiting & mask) != mask) {
    leave_thread();
    return threads[current].result;
  }
  warp.waiting &= ~mask;
  warp.ready |= mask & ~lane_bit(current);
  complete(&threads[current & ~31u], mask, operation, argument);
  if (operation == SYNC) warp.syncs++;
  return t.result;
}

extern "C" unsigned emulator_active_mask() {
  unsigned size = std::min(32u, thread_count - (current & ~31u));
  return (size == 32 ? ~0u : (1u << size) - 1) & ~warp_of(current).done;
}

extern "C" void* emulator_dynamic_shared() { return dynamic_shared; }
