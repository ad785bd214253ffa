// SDLORA_FOR_EACH_CPU void f(…): the function is compiled for each width of vectors, and the CPU's is chosen
// when the program starts: 16 floats (x86-64-v4: AVX-512 with the instructions on 16 bits, without which
// bfloat16 takes twice as long), 8 (v3: AVX2), 4. Not under a sanitiser: its checks would run in the choice,
// before it has started.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SDLORA_FOR_EACH_CPU
#else
#define SDLORA_FOR_EACH_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
