// Stands in for CUDA's cuda_fp16.h: everything it declares is already there.
#include "../cuda_emulator.h"
