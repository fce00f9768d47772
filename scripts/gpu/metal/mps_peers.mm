// What MPSMatrixMultiplication takes for products that ibert-kernels perf has, on this Mac: one JSON object { device, cases:
// [{ peer, dtype, shape, seconds, gflops }] }, seconds of the GPU's own clock, the median of the calls. For
// scripts/gpu/run-metal.sh, which compiles it.
#import <Foundation/Foundation.h>
#import <Metal/Metal.h>
#import <MetalPerformanceShaders/MetalPerformanceShaders.h>

#include <algorithm>
#include <cstdio>
#include <vector>

namespace {

// y (T, N) = x (T, K) W (N, K)^T
struct Shape {
  NSUInteger T, N, K;
};
constexpr Shape kShapes[] = {{1, 5120, 4096},    {512, 5120, 4096},  {2048, 4096, 5120},
                             {2048, 576, 576},   {2048, 1536, 576},  {2048, 49152, 576}};
constexpr int kCalls = 15;

MPSMatrix* matrix(id<MTLDevice> device, NSUInteger rows, NSUInteger columns, MPSDataType type) {
  const NSUInteger bytes = type == MPSDataTypeFloat32 ? 4 : 2;
  id<MTLBuffer> buffer = [device newBufferWithLength:rows * columns * bytes options:MTLResourceStorageModeShared];
  if (buffer == nil) return nil;
  MPSMatrixDescriptor* descriptor = [MPSMatrixDescriptor matrixDescriptorWithRows:rows
                                                                           columns:columns
                                                                          rowBytes:columns * bytes
                                                                          dataType:type];
  return [[MPSMatrix alloc] initWithBuffer:buffer descriptor:descriptor];
}

// Below zero where it failed.
double secondsOf(id<MTLDevice> device, id<MTLCommandQueue> queue, Shape shape, MPSDataType type) {
  MPSMatrix* x = matrix(device, shape.T, shape.K, type);
  MPSMatrix* weight = matrix(device, shape.N, shape.K, type);
  MPSMatrix* y = matrix(device, shape.T, shape.N, type);
  if (x == nil || weight == nil || y == nil) return -1;
  MPSMatrixMultiplication* product = [[MPSMatrixMultiplication alloc] initWithDevice:device
                                                                       transposeLeft:NO
                                                                      transposeRight:YES
                                                                          resultRows:shape.T
                                                                       resultColumns:shape.N
                                                                     interiorColumns:shape.K
                                                                               alpha:1
                                                                                beta:0];
  std::vector<double> times;
  for (int i = 0; i <= kCalls; ++i) {
    @autoreleasepool {
      id<MTLCommandBuffer> commands = [queue commandBuffer];
      [product encodeToCommandBuffer:commands leftMatrix:x rightMatrix:weight resultMatrix:y];
      [commands commit];
      [commands waitUntilCompleted];
      if (commands.status != MTLCommandBufferStatusCompleted) return -1;
      // The first call prepares.
      if (i > 0) times.push_back(commands.GPUEndTime - commands.GPUStartTime);
    }
  }
  std::nth_element(times.begin(), times.begin() + kCalls / 2, times.end());
  return times[kCalls / 2];
}

}  // namespace

int main() {
  @autoreleasepool {
    id<MTLDevice> device = MTLCreateSystemDefaultDevice();
    if (device == nil || !MPSSupportsMTLDevice(device)) {
      std::fprintf(stderr, "no device for Metal's performance shaders\n");
      return 3;
    }
    id<MTLCommandQueue> queue = [device newCommandQueue];
    std::printf("{\"device\": \"%s\", \"cases\": [", device.name.UTF8String);
    const char* comma = "";
    for (const Shape& shape : kShapes) {
      for (const MPSDataType type : {MPSDataTypeFloat16, MPSDataTypeFloat32}) {
        const double seconds = secondsOf(device, queue, shape, type);
        std::printf("%s\n {\"peer\": \"MPSMatrixMultiplication\", \"dtype\": \"%s\", \"shape\": [%lu, %lu, %lu], ", comma,
                    type == MPSDataTypeFloat16 ? "f16" : "f32", static_cast<unsigned long>(shape.T),
                    static_cast<unsigned long>(shape.N), static_cast<unsigned long>(shape.K));
        if (seconds > 0)
          std::printf("\"seconds\": %.9g, \"gflops\": %.6g}", seconds,
                      2e-9 * static_cast<double>(shape.T) * shape.N * shape.K / seconds);
        else
          std::printf("\"error\": \"it could not be run\"}");
        comma = ",";
      }
    }
    std::printf("]}\n");
  }
  return 0;
}
