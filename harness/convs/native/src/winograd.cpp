// The plain C interface of the Winograd kernels: a table of tiles, and one function a task.
#include "export.h"
#include "frames.h"
#include "gradient.h"

namespace {

// call(Tile<...>{}) for the outputs of a tile along three axes, 1 for one that is not transformed.
// 1 if it was done, 0 if there is no such tile, -1 if there is no memory.
template <class Call>
int with_tile(const int64_t* tile, Call call) try {
  const auto is = [&](int64_t a, int64_t b, int64_t c) {
    return tile[0] == a && tile[1] == b && tile[2] == c;
  };
  if (is(1, 1, 2)) return call(Tile<1, 1, 2>{}), 1;
  if (is(1, 1, 4)) return call(Tile<1, 1, 4>{}), 1;
  if (is(1, 2, 2)) return call(Tile<1, 2, 2>{}), 1;
  if (is(1, 2, 4)) return call(Tile<1, 2, 4>{}), 1;
  if (is(1, 4, 4)) return call(Tile<1, 4, 4>{}), 1;
  if (is(2, 2, 2)) return call(Tile<2, 2, 2>{}), 1;
  if (is(2, 4, 4)) return call(Tile<2, 4, 4>{}), 1;
  if (is(4, 4, 4)) return call(Tile<4, 4, 4>{}), 1;
  return 0;
} catch (const std::bad_alloc&) {
  return -1;
}

}  // namespace

EXPORT int harness_winograd_forward(const int64_t* tile, const Shape* shape,
                                    const Schedule* schedule, const Kernel* kernel, const float* x,
                                    const float* w, const float* u, float* y, const float* bias,
                                    const float* residual, int relu) {
  return with_tile(tile, [&](auto type) {
    forward<decltype(type)>(*shape, *schedule, x, Weights{w, *kernel, u},
                            Output{y, bias, residual, relu != 0});
  });
}

// Floats of the transformed weights.
EXPORT int64_t harness_winograd_size(const int64_t* tile, const Shape* shape) {
  int64_t size = 0;
  with_tile(tile, [&](auto type) { size = transformed_size(Layout<decltype(type)>(*shape)); });
  return size;
}

EXPORT int harness_winograd_weights(const int64_t* tile, const Shape* shape, const Kernel* kernel,
                                    const float* w, float* u, int threads) {
  return with_tile(tile, [&](auto type) {
    transform_weights(Layout<decltype(type)>(*shape), *kernel, w, u, threads);
  });
}

EXPORT int harness_winograd_weight_gradient(const int64_t* tile, const Shape* shape,
                                            const Schedule* schedule, const Kernel* kernel,
                                            const float* x, const float* dy, float* dw) {
  return with_tile(tile, [&](auto type) {
    weight_gradient<decltype(type)>(*shape, *schedule, *kernel, x, dy, dw);
  });
}
