// Stands in for CUDA's cuda_bf16.h: everything it declares is already there.
#include "../cuda_emulator.h"
