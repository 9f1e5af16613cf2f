// Stands in for CUDA's device_launch_parameters.h: everything it declares is already there.
#include "../cuda_emulator.h"
