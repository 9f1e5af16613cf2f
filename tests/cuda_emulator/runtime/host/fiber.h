// Fibers: one stack per waiting thread of a block, and a switch that saves the callee's registers.
#pragma once

// Saves the registers on this stack, stores its pointer in *save, and goes on where `load` was
// saved.
extern "C" void emulator_switch(void** save, void* load);

#if defined(__x86_64__)
asm(".text\n"
    ".globl emulator_switch\n"
    ".type emulator_switch,@function\n"
    "emulator_switch:\n"
    " push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
    " mov %rsp,(%rdi)\n"
    " mov %rsi,%rsp\n"
    " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n"
    " ret\n");
#elif defined(__aarch64__)
asm(".text\n"
    ".globl emulator_switch\n"
    "emulator_switch:\n"
    " sub sp,sp,#160\n"
    " stp x19,x20,[sp,#0]\n stp x21,x22,[sp,#16]\n stp x23,x24,[sp,#32]\n stp x25,x26,[sp,#48]\n"
    " stp x27,x28,[sp,#64]\n stp x29,x30,[sp,#80]\n"
    " stp d8,d9,[sp,#96]\n stp d10,d11,[sp,#112]\n stp d12,d13,[sp,#128]\n stp d14,d15,[sp,#144]\n"
    " mov x9,sp\n str x9,[x0]\n"
    " mov sp,x1\n"
    " ldp x19,x20,[sp,#0]\n ldp x21,x22,[sp,#16]\n ldp x23,x24,[sp,#32]\n ldp x25,x26,[sp,#48]\n"
    " ldp x27,x28,[sp,#64]\n ldp x29,x30,[sp,#80]\n"
    " ldp d8,d9,[sp,#96]\n ldp d10,d11,[sp,#112]\n ldp d12,d13,[sp,#128]\n ldp d14,d15,[sp,#144]\n"
    " add sp,sp,#160\n"
    " ret\n");
#else
#error "emulator_switch is written for x86-64 and aarch64"
#endif

static const size_t STACK_SIZE = 256 << 10;
static const int STACKS_PER_MAPPING = 64;

struct Fiber {
  char* stack;
  void* saved;
  unsigned offset;
};

static std::vector<Fiber*> all_fibers, idle_fibers;
static char *stacks_begin = nullptr, *stacks_end = nullptr;
static void* scheduler_saved;

static void run_threads();  // the body of every fiber; see block.h

static void map_more_stacks() {
  size_t bytes = STACKS_PER_MAPPING * STACK_SIZE;
  char* mapping = (char*)reserve(bytes);
  for (int i = 0; i < STACKS_PER_MAPPING; i++) {
    // Staggered, or the frames of all threads would fall into the same sets of the cache.
    unsigned offset = (unsigned)(all_fibers.size() * 1088 % 65536);
    Fiber* fiber = new Fiber{mapping + i * STACK_SIZE, nullptr, offset};
    mprotect(fiber->stack, 4096, PROT_NONE);
    all_fibers.push_back(fiber);
    idle_fibers.push_back(fiber);
  }
  if (!stacks_begin || mapping < stacks_begin) stacks_begin = mapping;
  if (mapping + bytes > stacks_end) stacks_end = mapping + bytes;
}

static Fiber* fresh_fiber() {
  if (idle_fibers.empty()) map_more_stacks();
  Fiber* fiber = idle_fibers.back();
  idle_fibers.pop_back();
  uintptr_t top = ((uintptr_t)fiber->stack + STACK_SIZE - fiber->offset) & ~uintptr_t(15);
#if defined(__x86_64__)
  void** frame = (void**)top;
  *--frame = nullptr;
  *--frame = (void*)run_threads;
  for (int i = 0; i < 6; i++) *--frame = nullptr;
#else
  void** frame = (void**)(top - 160);
  memset(frame, 0, 160);
  frame[11] = (void*)run_threads;
#endif
  fiber->saved = frame;
  return fiber;
}

static void resume(Fiber* fiber) { emulator_switch(&scheduler_saved, fiber->saved); }
