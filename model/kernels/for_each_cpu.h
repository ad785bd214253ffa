// SDLORA_FOR_EACH_CPU void f(…): the function is compiled for each width of vectors, and the CPU's is chosen
// when the program starts. Not under a sanitiser: its checks would run in the choice, before it has started.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SDLORA_FOR_EACH_CPU
#else
#define SDLORA_FOR_EACH_CPU __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
