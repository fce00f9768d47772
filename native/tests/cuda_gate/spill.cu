// For the gate to find: more live values than the registers that 1024 threads leave each other.
extern "C" __global__ void __launch_bounds__(1024) planted_spill(const float* from, float* to) {
  float values[128];
#pragma unroll
  for (int i = 0; i < 128; ++i) values[i] = from[threadIdx.x + 1024 * i];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 128; ++i) to[threadIdx.x + 1024 * i] = values[i] + 2 * values[(37 * i + 11) % 128];
}
