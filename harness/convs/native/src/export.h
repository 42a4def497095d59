// What Python may call; everything else stays hidden in the library.
#pragma once

#define EXPORT extern "C" __attribute__((visibility("default")))
