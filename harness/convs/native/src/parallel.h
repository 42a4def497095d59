// Threads and memory. OpenMP's pool is the one that PyTorch uses; nothing here outlives a call
// but the scratch memory that each thread keeps for its next one.
#pragma once
#include <omp.h>
#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)
#define ASAN_UNPOISON_MEMORY_REGION(address, size)
#endif

// A pool of threads, ours or PyTorch's, does not survive fork(): it is ended before, and parent and
// child start one anew. Where that cannot be, within a parallel region for example, the child runs
// alone.
#pragma weak omp_pause_resource_all
inline std::atomic<bool> pool_ended{false}, pool_lost{false};
inline const int fork_handler = pthread_atfork(
    [] {
      pool_ended = omp_pause_resource_all && omp_pause_resource_all(omp_pause_hard) == 0;
    },
    nullptr,
    [] {
      if (!pool_ended) pool_lost = true;
    });

// body(begin, end) over disjoint parts of [0, count), one a thread; throws bad_alloc if one of them does.
template <class Body>
void parallel_for(int64_t count, int threads, const Body& body) {
  threads = static_cast<int>(std::min<int64_t>(threads, count));
  if (count <= 0) return;
  if (threads <= 1 || pool_lost || omp_in_parallel()) return body(int64_t{0}, count);
  std::atomic<bool> no_memory{false};  // no exception may leave a thread of the pool
#pragma omp parallel num_threads(threads)
  {
    const int64_t i = omp_get_thread_num(), parts = omp_get_num_threads();
    const int64_t begin = count * i / parts, end = count * (i + 1) / parts;
    try {
      if (begin < end) body(begin, end);
    } catch (const std::bad_alloc&) {
      no_memory = true;
    }
  }
  if (no_memory) throw std::bad_alloc();
}

// Memory that grows to the largest size asked for and is then used again; contents undefined.
//
// It comes from the system, not from malloc, which may give what has been in use: that already has
// its small pages, and would keep them.
class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { give_back(); }

  float* floats(int64_t count) {
    const std::size_t asked = count * sizeof(float), bytes = (asked + PAGE - 1) / PAGE * PAGE;
    ASAN_UNPOISON_MEMORY_REGION(memory_, size_);
    if (bytes > size_) {
      give_back();
      void* whole = mmap(nullptr, bytes + PAGE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (whole == MAP_FAILED) throw std::bad_alloc();
      whole_ = whole, size_ = bytes;
      memory_ = static_cast<char*>(whole) + (-reinterpret_cast<uintptr_t>(whole) & (PAGE - 1));
      madvise(memory_, bytes, MADV_HUGEPAGE);  // only a hint: many streams, few translations
    }
    ASAN_POISON_MEMORY_REGION(memory_ + asked, size_ - asked);
    return reinterpret_cast<float*>(memory_);
  }

 private:
  static constexpr std::size_t PAGE = std::size_t{2} << 20;
  void* whole_ = nullptr;
  char* memory_ = nullptr;  // in `whole_`, where a huge page begins
  std::size_t size_ = 0;

  void give_back() {
    ASAN_UNPOISON_MEMORY_REGION(memory_, size_);
    if (size_ > 0) munmap(whole_, size_ + PAGE);
    size_ = 0;
  }
};
