"""Native kernels: C++ sources, how they are compiled and loaded, and their bindings."""
