// The plain C interface of the Winograd kernels: a table of tiles, and one function a task.
#include "winograd.h"

namespace {

// Every tile that there is: outputs along the three axes; 1 for an axis that is not transformed.
template <class Call>
bool with_tile(const int64_t* tile, Call call) {
  const auto is = [&](int64_t a, int64_t b, int64_t c) {
    return tile[0] == a && tile[1] == b && tile[2] == c;
  };
  if (is(1, 1, 2)) return call(Winograd<1, 1, 2>{}), true;
  if (is(1, 1, 4)) return call(Winograd<1, 1, 4>{}), true;
  if (is(1, 2, 2)) return call(Winograd<1, 2, 2>{}), true;
  if (is(1, 2, 4)) return call(Winograd<1, 2, 4>{}), true;
  if (is(1, 4, 4)) return call(Winograd<1, 4, 4>{}), true;
  if (is(2, 2, 2)) return call(Winograd<2, 2, 2>{}), true;
  if (is(2, 4, 4)) return call(Winograd<2, 4, 4>{}), true;
  if (is(4, 4, 4)) return call(Winograd<4, 4, 4>{}), true;
  return false;
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int harness_winograd_forward(const int64_t* tile, const Shape* shape,
                                    const Schedule* schedule, const float* x,
                                    const Weights* weights, float* y, const float* bias,
                                    int relu) {
  return with_tile(tile, [&](auto winograd) {
    winograd.forward(*shape, *schedule, x, *weights, y, bias, relu != 0);
  });
}

// Floats of the transformed weights.
EXPORT int64_t harness_winograd_size(const int64_t* tile, const Shape* shape) {
  int64_t size = 0;
  with_tile(tile, [&](auto winograd) { size = winograd.size(*shape); });
  return size;
}

EXPORT int harness_winograd_weights(const int64_t* tile, const Shape* shape, const Kernel* kernel,
                                    const float* w, float* u, int threads) {
  return with_tile(tile, [&](auto winograd) {
    winograd.transform_weights(*shape, *kernel, w, u, threads);
  });
}

EXPORT int harness_winograd_weight_gradient(const int64_t* tile, const Shape* shape,
                                            const Schedule* schedule, const Kernel* kernel,
                                            const float* x, const float* dy, float* dw) {
  return with_tile(tile, [&](auto winograd) {
    winograd.weight_gradient(*shape, *schedule, *kernel, x, dy, dw);
  });
}
