// A launch: block after block, in the order of the schedule.
#pragma once

struct Launch {  // build.py has the same
  Thunk thunk;
  const void* kernel;
  void** arguments;
  unsigned grid[3], block[3];
  uint64_t dynamic_shared;
  int check, schedule;
  char *shared_begin, *shared_end;
  const Range* ranges;  // device memory that the arguments point to
  int range_count;      // -1: unknown, because an argument is a table of pointers
};

static sigjmp_buf after_signal;

static void on_signal(int number, siginfo_t* info, void*) {
  if (!launching) {
    signal(number, SIG_DFL);
    return;
  }
  if (!failed) {
    failed = true;
    const Indices& i = emulator_indices;
    const char* what = number == SIGFPE ? "integer division by zero" : "illegal memory access";
    snprintf(message, sizeof message, "%s at %p (signal %d)  [block (%u,%u,%u) thread (%u,%u,%u)]",
             what, info->si_addr, number, i.block.x, i.block.y, i.block.z, i.thread.x, i.thread.y,
             i.thread.z);
  }
  siglongjmp(after_signal, 1);
}

// While a kernel runs, its faults are ours; before and after, everybody else's handlers stand.
class FaultHandlers {
  static constexpr int NUMBERS[3] = {SIGSEGV, SIGBUS, SIGFPE};
  struct sigaction before[3];

 public:
  FaultHandlers() {
    struct sigaction ours{};
    ours.sa_sigaction = on_signal;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (int i = 0; i < 3; i++) sigaction(NUMBERS[i], &ours, &before[i]);
  }
  ~FaultHandlers() {
    for (int i = 0; i < 3; i++) sigaction(NUMBERS[i], &before[i], nullptr);
  }
};

static void report_deadlock() {
  unsigned at_barrier = 0, in_warp_operation = 0, done = 0;
  const Thread *barrier_example = nullptr, *warp_example = nullptr;
  for (const Thread& t : threads) {
    if (t.state == AT_BARRIER) at_barrier++, barrier_example = &t;
    if (t.state == IN_WARP_OPERATION) in_warp_operation++, warp_example = &t;
    if (t.state == DONE) done++;
  }
  const Index3& block = emulator_indices.block;
  int n = snprintf(message, sizeof message,
                   "synccheck: deadlock in block (%u,%u,%u): %u threads exited, %u wait at"
                   " __syncthreads() %s:%d, %u wait in a warp collective",
                   block.x, block.y, block.z, done, at_barrier,
                   barrier_example ? barrier_example->file : "-",
                   barrier_example ? barrier_example->line : 0, in_warp_operation);
  if (warp_example)
    snprintf(message + n, sizeof message - n, " %s mask 0x%08x %s:%d",
             WARP_NAMES[warp_example->operation], warp_example->mask, warp_example->file,
             warp_example->line);
  failed = true;
}

template <class T>
static void arrange(std::vector<T>& items) {
  for (size_t i = 0; i < items.size(); i++) items[i] = (T)i;
  if (schedule < 0) std::reverse(items.begin(), items.end());
  if (schedule > 0)
    for (size_t i = items.size(); i-- > 1;)
      std::swap(items[i], items[random_below((unsigned)i + 1)]);
}

static const unsigned NOBODY = ~0u;

// A thread that can run: the same warp first, then the next one with a ready lane.
static unsigned pick_thread(unsigned& last_warp) {
  unsigned count = (unsigned)warps.size(), first = schedule > 0 ? random_below(count) : last_warp;
  for (unsigned k = 0; k < count; k++) {
    unsigned w = schedule < 0 ? (first + count - k) % count : (first + k) % count;
    unsigned ready = warps[w].ready;
    if (!ready) continue;
    unsigned lane = __builtin_ctz(ready);
    if (schedule < 0) lane = 31 - __builtin_clz(ready);
    if (schedule > 0) {
      unsigned above = ready & (~0u << random_below(32));
      lane = __builtin_ctz(above ? above : ready);
    }
    last_warp = w;
    return w * 32 + lane;
  }
  return NOBODY;
}

static void start_block() {
  block_serial++;
  acquired.clear();
  std::fill(fenced.begin(), fenced.end(), 0);
  std::fill(warps.begin(), warps.end(), Warp());
  barrier = Barrier();
  running_threads = thread_count;
  started = 0;
  if (dynamic_shared_size) memset(dynamic_shared, POISON, dynamic_shared_size);
  for (Thread& t : threads) {
    t.state = FRESH;
    t.fiber = nullptr;
  }
  arrange(order);
}

static void run_block() {
  start_block();
  unsigned last_warp = 0;
  while (running_threads) {
    unsigned next;
    if (started < thread_count) {
      next = order[started++];
      threads[next].fiber = fresh_fiber();
    } else {
      next = pick_thread(last_warp);
    }
    if (next == NOBODY) report_deadlock();
    if (failed) break;
    threads[next].state = READY;
    warp_of(next).ready &= ~lane_bit(next);
    make_current(next);
    resume(threads[next].fiber);
    if (failed) break;
    if (threads[current].state == DONE) idle_fibers.push_back(threads[current].fiber);
  }
}

static void run_grid(const unsigned* grid) {
  uint64_t blocks = (uint64_t)grid[0] * grid[1] * grid[2];
  std::vector<uint32_t> block_order(schedule && blocks < (1u << 24) ? blocks : 0);
  arrange(block_order);
  for (uint64_t k = 0; k < blocks && !failed; k++) {
    uint64_t b = block_order.empty() ? k : block_order[k];
    flat_block = (unsigned)b;
    emulator_indices.block = {(unsigned)(b % grid[0]), (unsigned)(b / grid[0] % grid[1]),
                              (unsigned)(b / ((uint64_t)grid[0] * grid[1]))};
    run_block();
  }
}

static void prepare_threads(const unsigned* block) {
  thread_count = block[0] * block[1] * block[2];
  threads.assign(thread_count, Thread());
  order.resize(thread_count);
  warps.resize((thread_count + 31) / 32);
  fenced.assign(thread_count, 0);
  for (unsigned i = 0; i < thread_count; i++) {
    threads[i].index = {i % block[0], i / block[0] % block[1], i / (block[0] * block[1])};
    threads[i].flat = i;
  }
}

// Dynamic shared memory ends where its pages end on neither side: 4096 unused bytes around it.
static void prepare_dynamic_shared(size_t bytes) {
  static size_t mapped = 0;
  if (bytes == dynamic_shared_size) return;
  if (dynamic_shared) munmap(dynamic_shared - 4096, mapped);
  dynamic_shared = nullptr;
  dynamic_shared_size = bytes;
  if (!bytes) return;
  mapped = (bytes + 8192 + 4095) & ~size_t(4095);
  dynamic_shared = (char*)reserve(mapped) + 4096;
}

static void prepare_shadow() {
  if (!global_cells) global_cells = (Cell*)reserve(ARENA_SIZE / CELL * sizeof(Cell));
  static_cells.resize(std::max(static_cells.size(), size_t(shared_end - shared_begin) / CELL + 8));
  dynamic_cells.resize(std::max(dynamic_cells.size(), dynamic_shared_size / CELL + 8));
}

static void prepare(const Launch& launch) {
  static char signal_stack[65536];
  stack_t alternative{};
  alternative.ss_sp = signal_stack;
  alternative.ss_size = sizeof signal_stack;
  sigaltstack(&alternative, nullptr);
  reserve_arena();
  failed = false;
  message[0] = 0;
  statistics = Statistics();
  launch_serial++;
  published.clear();
  thunk = launch.thunk;
  kernel = launch.kernel;
  arguments = launch.arguments;
  schedule = launch.schedule;
  random_state = 2463534242u ^ (unsigned)launch.schedule * 2654435761u;
  if (!random_state) random_state = 1;
  emulator_indices.block_size = {launch.block[0], launch.block[1], launch.block[2]};
  emulator_indices.grid_size = {launch.grid[0], launch.grid[1], launch.grid[2]};
  prepare_threads(launch.block);
  prepare_dynamic_shared(launch.dynamic_shared);
  shared_begin = launch.shared_begin;
  shared_end = launch.shared_end;
  ranges = launch.ranges;
  range_count = launch.range_count;
  checking = launch.check;
  if (checking) prepare_shadow();
}

// 0, or 1 with a message in emulator_error().
extern "C" int emulator_launch(const Launch* launch) {
  prepare(*launch);
  FaultHandlers handlers;
  launching = 1;
  if (sigsetjmp(after_signal, 1) == 0) run_grid(launch->grid);
  launching = 0;
  checking = false;
  if (failed) idle_fibers = all_fibers;
  return failed ? 1 : 0;
}
